#!/usr/bin/env bash
# All-reduces between two "hosts" on one machine: network namespaces that only a virtual cable connects, over TCP, first
# as fast as it goes and then within limits. Needs root, Debian's Open MPI and MPICH (scripts/install-mpi.sh), and a
# built package: npm run build && scripts/two-hosts.sh [rate [delay]], by default 1gbit 200us.
set -euo pipefail
cd "$(dirname "$0")/.."
rate=${1:-1gbit}
delay=${2:-200us}

fail() {
  echo "$1" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || fail 'expected root (CAP_NET_ADMIN and CAP_SYS_ADMIN), to make network namespaces'
for tool in ip tc unshare; do command -v $tool >/dev/null || fail "expected $tool (Debian: iproute2, util-linux), found none"; done
[[ "$rate $delay" =~ ^[0-9]+gbit\ [0-9]+us$ ]] || fail "expected a rate such as 1gbit and a delay such as 200us, found $rate $delay"
[ -e dist/parallel/mpi/rank.js ] || fail 'expected a built package: npm run build'

folder=$(mktemp -d)
clean_up() {
  [ -z "${cable:-}" ] || kill "$cable" 2>/dev/null || true
  for host in alpha beta; do ip netns delete $host-$$ 2>/dev/null || true; done
  rm -rf "$folder"
}
trap clean_up EXIT
for host in alpha beta; do
  ip netns add $host-$$ || fail 'network namespaces cannot be made here: CAP_SYS_ADMIN is missing, or the kernel lacks them'
done
# puts the two ends of a cable, devices that are called so, where they belong
connect() {
  ip link set "$1" netns alpha-$$ name cable
  ip link set "$2" netns beta-$$ name cable
  ip -n alpha-$$ address add 10.77.0.1/24 dev cable
  ip -n beta-$$ address add 10.77.0.2/24 dev cable
  for host in alpha beta; do
    ip -n $host-$$ link set lo up
    ip -n $host-$$ link set cable up
  done
  # libraries look for cables that are in use, which these are when the kernel has noticed both ends
  for host in alpha beta; do
    until ip -n $host-$$ link show cable | grep -q 'LOWER_UP'; do :; done
  done
}
ip link add cable-a type veth peer name cable-b ||
  fail 'virtual cables cannot be made here: CAP_NET_ADMIN is missing, or the kernel lacks them'
connect cable-a cable-b

# on HOST COMMAND...: runs a command there, under a host name of its own
cat >"$folder/on" <<END
#!/usr/bin/env bash
host=\$1
shift
exec ip netns exec \$host-$$ unshare --uts bash -c 'hostname "\$0" && exec "\$@"' \$host "\$@"
END
# in place of ssh: options, an address, and the words of a command for its shell
cat >"$folder/ssh" <<END
#!/usr/bin/env bash
while [[ \$1 == -* ]]; do shift; done
case \$1 in 10.77.0.1) host=alpha ;; 10.77.0.2) host=beta ;; *) exit 255 ;; esac
shift
exec "$folder/on" \$host sh -c "\$*"
END
chmod +x "$folder/on" "$folder/ssh"

task='{"size":2,"timeoutSeconds":60,"lengths":[1,1024,16384,262144,1048576,4194304],"floatsPerBatch":4194304,"mostPerBatch":40}'
rank=("$(command -v node)" "$PWD/bench/collectives-rank.mjs" "$task")

# TCP and nothing else, so that no memory is shared between the two
run_openmpi() {
  "$folder/on" alpha mpirun.openmpi --allow-run-as-root --host 10.77.0.1,10.77.0.2 -n 2 \
    --mca plm_rsh_agent "$folder/ssh" --mca pml ob1 --mca btl tcp,self \
    --mca btl_tcp_if_include cable --mca oob_tcp_if_include cable "${rank[@]}"
}
run_mpich() {
  MPIR_CVAR_NOLOCAL=1 FI_PROVIDER=tcp FI_TCP_IFACE=cable UCX_TLS=tcp,self UCX_NET_DEVICES=cable \
    "$folder/on" alpha mpirun.mpich -launcher ssh -launcher-exec "$folder/ssh" -localhost 10.77.0.1 \
    -hosts 10.77.0.1,10.77.0.2 -n 2 "${rank[@]}"
}

show() {
  node -e '
    const ways = JSON.parse(process.argv[1]);
    const { lengths } = JSON.parse(process.argv[2]);
    const cell = (time, i) => `${(1e6 * time).toFixed(0)} µs, ${((4 * lengths[i]) / time / 1e9).toFixed(3)} GB/s`;
    for (const [way, seconds] of Object.entries(ways)) {
      console.log(`${way}: all-reduce of`);
      seconds.forEach((time, i) => console.log(`  ${String(lengths[i]).padStart(8)} numbers: ${cell(time, i)}`));
    }
  ' "$1" "$task"
}
measure() {
  echo "== $1"
  for launcher in openmpi mpich; do
    command -v mpirun.$launcher >/dev/null || continue
    # MPICH 4.0 does not always come back from MPI_Finalize over UCX and TCP: all has been measured by then
    result=$("run_$launcher" | grep '^{') || true
    [ -n "$result" ] || fail "mpirun.$launcher: expected figures, found none"
    show "$result"
  done
}

measure 'no limits'
if ip netns exec alpha-$$ tc qdisc add dev cable root netem rate "$rate" delay "$delay" 2>/dev/null; then
  ip netns exec beta-$$ tc qdisc add dev cable root netem rate "$rate" delay "$delay"
  by=netem
else
  # this kernel cannot delay packets: a cable that does
  ip -n alpha-$$ link delete cable
  # before the ranks, which take all processors while they wait
  exec {slow}< <(exec nice -n -10 node scripts/cable.mjs $((${rate%gbit} * 1000000000)) "${delay%us}")
  cable=$!
  read -r -u "$slow" _ || fail 'no cable can be made of /dev/net/tun here'
  # few large packets: each takes a process some microseconds
  for end in cable-a cable-b; do ip link set "$end" mtu 60000; done
  connect cable-a cable-b
  by=scripts/cable.mjs
fi
measure "$rate, $delay each way (by $by)"
