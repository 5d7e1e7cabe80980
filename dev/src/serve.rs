//! The peers of the story.
