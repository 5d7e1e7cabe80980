//! A copy for the person: whole, encrypted to who may read it, with its end noted; and nothing else leaves.

use object_store::ObjectStoreExt as _;
use serde_json::{Value, json};

use super::world::{EMAIL, World, exact};
use crate::feed::world::store;

/// A shop with a bucket; answers who can read the copy.
pub(super) async fn world(database: &str, kind: &str) -> (World, age::x25519::Identity) {
    let mut world = World::shop(database).await;
    let server = store().await;
    let bucket = database.replace('_', "-");
    server.create_bucket(&bucket).unwrap();
    let credentials = world.path("bucket");
    server
        .write_credentials(&credentials, &server.endpoint())
        .unwrap();
    let reader = age::x25519::Identity::generate();
    world.spec()["request"]["kind"] = kind.into();
    world.spec()["request"]["delivery"] = json!({
        "destination": {"url": format!("s3://{bucket}"), "object": "dsr/1", "credentials": credentials},
        "recipient": reader.to_public().to_string(), "expiresAfter": "P30D",
    });
    (world, reader)
}

/// The bucket that the task names.
pub(super) fn bucket(world: &World) -> object_store::aws::AmazonS3 {
    let spec = &world.task["spec"]["request"]["delivery"]["destination"];
    let read = |name: &str| {
        let folder = world.path("bucket");
        std::fs::read_to_string(folder.join(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    let bucket = spec["url"].as_str().unwrap().trim_start_matches("s3://");
    object_store::aws::AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region("us-east-1")
        .with_endpoint(read("endpoint"))
        .with_allow_http(true)
        .with_access_key_id(read("accessKeyId"))
        .with_secret_access_key(read("secretAccessKey"))
        .build()
        .unwrap()
}

async fn object(world: &World, key: &str) -> Vec<u8> {
    let got = bucket(world).get(&key.into()).await.unwrap();
    got.bytes().await.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_every_row_of_the_person_and_of_nobody_else() {
    let (world, reader) = world("erc_access", "Access").await;
    // Numbers that no float has.
    world.sql("ALTER TABLE customers ADD owed numeric DEFAULT 12345678901234567890.12, ADD paid numeric(10,2) DEFAULT 10.00, ADD facts jsonb DEFAULT '{\"n\": 1e400}'").await;
    let large = format!("1{}", "0".repeat(400));
    let before = world.sql("SELECT count(*) FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid WHERE nspname = 'tradewind'").await;
    let ran = world.run().await;
    ran.expect("Delivered");
    let found = ["customers", "orders", "messages", "invoices"].map(|name| ran.table(name).found);
    assert_eq!(found, [1, 10, 10, 10]);
    let delivered = ran.body().delivered.clone().unwrap();
    assert_eq!(delivered.manifest, "dsr/1.manifest.json");
    let place = delivered.place.as_ref().unwrap();
    assert!(
        place.starts_with("s3://") && place.ends_with("/dsr/1"),
        "{place}"
    );
    let bytes = object(&world, &delivered.manifest).await;
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(manifest["expiresAt"], delivered.expires_at.as_str());
    assert_eq!(
        (&manifest["request"], &manifest["kind"]),
        (&json!("dsr-1"), &json!("Access"))
    );
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.len(), 5);
    for file in files {
        let bytes = object(&world, file["object"].as_str().unwrap()).await;
        assert_eq!(file["bytes"], bytes.len());
        assert!(!String::from_utf8_lossy(&bytes).contains("lanted"));
        let plain = age::decrypt(&reader, &bytes).unwrap();
        let text = String::from_utf8(plain).unwrap();
        assert!(!text.contains("person@mail"), "{text}");
        if file["format"] == "Json" {
            for exact in ["\"owed\": 12345678901234567890.12,", "\"paid\": 10.00"] {
                assert!(text.contains(exact), "{text}");
            }
            assert!(
                text.contains(&format!("\"facts\": {{\"n\": {large}}}")),
                "{text}"
            );
            // No number that this test could read.
            let text = text.replace(&large, "0");
            let whole: Value = serde_json::from_str(&text).unwrap();
            let customer = &whole["stores"]["shop"]["customers"][0];
            assert_eq!(
                (&customer["id"], &customer["email"]),
                (&json!(7), &json!(EMAIL))
            );
            assert_eq!(
                whole["stores"]["shop"]["orders"].as_array().unwrap().len(),
                10
            );
        } else {
            if file["table"] == "customers" {
                let facts = format!(",\"{{\"\"n\"\": {large}}}\",7,12345678901234567890.12,10.00,");
                assert!(text.contains(&facts), "{text}");
            }
            assert_eq!(
                text.lines().count(),
                1 + usize::try_from(file["rows"].as_u64().unwrap()).unwrap()
            );
        }
    }
    // Nothing was written in the store, and nobody is suppressed.
    let after = world.sql("SELECT count(*) FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid WHERE nspname = 'tradewind'").await;
    assert_eq!(after, before);
    assert_eq!(
        world
            .sql("SELECT count(*) FROM orders WHERE customer = 7")
            .await,
        "10"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn portability_has_what_the_person_provided() {
    let (mut world, reader) = world("erc_portable", "Portability").await;
    world.set_table("messages", "portable", true.into());
    let ran = world.run().await;
    ran.expect("Delivered");
    let tables = &ran.body().stores[0].tables;
    assert_eq!(
        (
            tables.len(),
            tables[0].name.as_str(),
            exact(tables[0].found)
        ),
        (1, "messages", 10)
    );
    // The same rows in two formats, both only for who may read them, with the day on which they go.
    let delivered = ran.body().delivered.clone().unwrap();
    let manifest = object(&world, &delivered.manifest).await;
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(
        (&manifest["kind"], &manifest["expiresAt"]),
        (&json!("Portability"), &json!(delivered.expires_at))
    );
    let expires: jiff::Timestamp = delivered.expires_at.parse().unwrap();
    let created = manifest["createdAt"].as_str().unwrap();
    let left = expires.duration_since(created.parse().unwrap());
    // Thirty days of the region's calendar: one of them may have an hour more or less.
    assert!((left.as_hours() - 30 * 24).abs() <= 1, "{left:?}");
    let mut files = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        let bytes = object(&world, file["object"].as_str().unwrap()).await;
        age::decrypt(&age::x25519::Identity::generate(), &bytes).unwrap_err();
        let plain = age::decrypt(&reader, &bytes).unwrap();
        files.push((
            file["format"].as_str().unwrap(),
            String::from_utf8(plain).unwrap(),
        ));
    }
    let [("Json", whole), ("Csv", rows)] = &files[..] else {
        panic!("{manifest}");
    };
    let whole: Value = serde_json::from_str(whole).unwrap();
    assert_eq!(whole["stores"]["shop"].as_object().unwrap().len(), 1);
    let messages = whole["stores"]["shop"]["messages"].as_array().unwrap();
    assert_eq!((messages.len(), rows.lines().count()), (10, 1 + 10));
    let columns: Vec<&str> = rows.lines().next().unwrap().split(',').collect();
    assert_eq!(
        columns,
        messages[0].as_object().unwrap().keys().collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_cannot_be_made_leaves_no_manifest() {
    let (mut world, _) = world("erc_refused", "Access").await;
    world.spec()["request"]["delivery"]["destination"]["url"] = "s3://not-there".into();
    world.run().await.expect("DestinationInvalid");
    world.spec()["request"]["delivery"]["destination"]["url"] = "s3://erc-refused".into();
    world.sql(&format!("REVOKE SELECT ON messages FROM {0}; GRANT SELECT (id, sender, sent_at) ON messages TO {0}", world.role)).await;
    let ran = world.run().await;
    ran.expect("GrantsMissing");
    assert!(
        ran.report
            .message
            .contains("GRANT SELECT ON public.messages TO"),
        "{:?}",
        ran.report
    );
}
