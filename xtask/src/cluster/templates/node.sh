# The first process of a node: gives it files of its own where a machine has its own, in mount and
# host name namespaces that were made for it, and then keeps them. $1: its folder, $2: its name; then
# the folders that it has of its own.
set -eu
folder=$1
hostname "$2"
shift 2
mount --make-rprivate /

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/cgroups /run/netns /run/lock

# /sys shows the network of who mounted it; the cgroups are the machine's.
mount --rbind /sys/fs/cgroup /run/cgroups
mount -t sysfs sysfs /sys
mount --rbind /run/cgroups /sys/fs/cgroup

for path in "$@"; do
  mkdir -p "$folder/own$path"
  mount --bind "$folder/own$path" "$path"
done

# kubelet sets these for the whole machine. It finds what it wants in files of the node instead.
settle() {
  file=$folder/sysctl/$1
  mkdir -p "${file%/*}"
  echo "$2" > "$file"
  [ ! -e "/proc/sys/$1" ] || mount --bind "$file" "/proc/sys/$1"
}
settle vm/overcommit_memory 1
settle vm/panic_on_oom 0
settle kernel/panic 10
settle kernel/panic_on_oops 1
settle kernel/keys/root_maxkeys 1000000
settle kernel/keys/root_maxbytes 25000000

# Pods hand mounts on to each other through the node.
mount --make-rshared /
touch "$folder/ready"
exec sleep infinity
