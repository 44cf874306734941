#!/bin/bash
# Ranks on four hosts, which are network namespaces with a poor network between them, under Open MPI:
#
#     tests/ranks_hosts.sh TASSELLO
#
# The digest must be that of one process, and if the link of a host is cut, the others must end within 12 s, name it,
# and leave a whole checkpoint. Needs root. The network delays and loses packets by netem, if the kernel has it; else
# it is so slow that its queue overflows. Exit status 77: skipped.
set -e
tool=$(readlink -f "$1")
skip() { echo "skipped: $1"; exit 77; }
[ "$(id -u)" = 0 ] || skip "needs root"
command -v ip tc mpirun.openmpi >/dev/null || skip "needs iproute2 and Open MPI"
[ -e "$(dirname "$tool")/../libtassello-openmpi.so" ] || skip "built without Open MPI"
hosts="0 1 2 3" place=$(mktemp -d) name=tas$$
end() {
    for i in $hosts; do ip netns del $name.$i 2>/dev/null || true; done
    ip link del $name 2>/dev/null || true
    rm -rf "$place"
}
trap end EXIT
ip link add $name type bridge 2>/dev/null || skip "no network namespaces here"
ip link set $name up
for i in $hosts; do
    ip netns add $name.$i || skip "no network namespaces here"
    ip link add $name-$i type veth peer name eth0 netns $name.$i
    ip link set $name-$i master $name up
    ip netns exec $name.$i ip addr add 10.77.0.$((i + 1))/24 dev eth0
    ip netns exec $name.$i ip link set eth0 up
    ip netns exec $name.$i ip link set lo up
done
worsen() {
    for i in $hosts; do
        ip netns exec $name.$i tc qdisc add dev eth0 root netem delay 2ms 1ms loss 1% 2>/dev/null ||
            ip netns exec $name.$i tc qdisc add dev eth0 root tbf rate 200mbit burst 3kb limit 9kb
    done
}

# What mpirun takes for ssh: a command on the host with that address.
cat >"$place/agent" <<END
#!/bin/bash
i=\$((\${1##*.} - 1)); shift
exec ip netns exec $name.\$i unshare --uts sh -c "hostname host\$i; exec bash -c '\$*'"
END
chmod +x "$place/agent"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TMPDIR=$place
launch() {
    ip netns exec $name.0 unshare --uts sh -c 'hostname host0; exec "$@"' - mpirun.openmpi \
        --host 10.77.0.1,10.77.0.2,10.77.0.3,10.77.0.4 -n 4 --mca plm_rsh_agent "$place/agent" \
        --mca oob_tcp_if_include eth0 --mca btl tcp,self --mca btl_tcp_if_include eth0 "$@"
}

# Digits, more or less: an IDX set of 600 noisy images of four classes.
python3 - "$place" <<'END'
import random, struct, sys
draw, folder = random.Random(1), sys.argv[1]
patterns = [draw.randbytes(64) for _ in range(4)]
for name, count in (("train", 600), ("t10k", 80)):
    rows = (bytes((3 * p + n) // 4 for p, n in zip(patterns[i % 4], draw.randbytes(64))) for i in range(count))
    pixels = b"".join(rows)
    with open(f"{folder}/{name}-images-idx3-ubyte", "wb") as f:
        f.write(struct.pack(">IIII", 0x803, count, 8, 8) + pixels)
    with open(f"{folder}/{name}-labels-idx1-ubyte", "wb") as f:
        f.write(struct.pack(">II", 0x801, count) + bytes(i % 4 for i in range(count)))
END
printf 'input 1x8x8\ndense 600\nbatch_norm\nrelu\ndropout 0.2\ndense 4\nloss softmax\n' >"$place/net"
words=("$tool" train "$place/net" "$place" --batch 50 --shards 8 --device reference)
digest() { grep -o 'sha256 [0-9a-f]*'; }
alone=$("${words[@]}" --epochs 3 2>/dev/null | digest)
worsen
there=$(launch "${words[@]}" --epochs 3 2>/dev/null | digest)
[ "$alone" = "$there" ] || { echo "failed: $there on four hosts, $alone on one"; exit 1; }
echo "ok 1 - the digest on four hosts with a poor network"

launch "${words[@]}" --epochs 100000 --save "$place/s" --save-every 5 >"$place/out" 2>&1 &
for _ in $(seq 100); do [ -e "$place/s" ] && break; sleep 0.2; done
sleep 1
ip link set $name-2 down
for i in $(seq 24); do grep -q 'rank 2 (host2' "$place/out" && break; sleep 0.5; done
grep 'rank 2 (host2' "$place/out" || { echo "failed: no message that names the host"; tail "$place/out"; exit 1; }
ip link set $name-2 up
wait || true
"$tool" inspect "$place/s" >/dev/null || { echo "failed: the checkpoint is damaged"; exit 1; }
echo "ok 2 - a link that is cut ends the run, with a message and a whole checkpoint"
