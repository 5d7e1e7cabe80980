# The first program of a node, in a mount namespace of its own:  node.sh NODE_DIR PROGRAM ARGS...
# The node gets a /run, /var/lib and /var/log of its own, so that nodes do not meet in paths that kubelet and
# containerd have built in. All their mounts and network namespaces live here and end with the last process of
# the node, however it ends.
set -e
# -n: mount keeps no notes of its own in the machine's /run.
mount -n -t tmpfs -o mode=0755 tmpfs /run
mount -n --bind "$1/lib" /var/lib
mount -n --bind "$1/log" /var/log
shift
exec "$@"
