# Nodes. Each is a set of private namespaces (pid, mount, network) whose PID 1 is pause; its
# containerd, kubelet and kube-proxy run inside. All that they do (mounts, links, packet rules,
# pods) ends with that one process; the machine gets a bridge, routes and cgroups, and no more.

node_ip() { echo "10.$SUBNET.255.$((1 + $1))"; }
pod_net() { echo "10.$SUBNET.$((128 + $1)).0/24"; }
node_dir() { echo "$DIR/node-$1"; }
node_pid() { pid_of "node-$1" || die "node $1 is not up"; }
in_node() { local i=$1; shift; nsenter -t "$(node_pid "$i")" -m -n -p -- "$@"; }
node_ctr() { local i=$1; shift; in_node "$i" ctr -a "$(node_dir "$i")/containerd.sock" -n k8s.io "$@"; }

# The kubelet sets these for the whole machine: let it write into plain files.
hide_sysctls() { # hide_sysctls FOLDER
	local setting file
	for setting in vm/overcommit_memory:1 vm/panic_on_oom:0 kernel/panic:10 \
		kernel/panic_on_oops:1 kernel/keys/root_maxkeys:1000000 \
		kernel/keys/root_maxbytes:25000000; do
		file=$1/$(echo "${setting%:*}" | tr / .)
		echo "${setting#*:}" >"$file"
		mount --bind "$file" "/proc/sys/${setting%:*}"
	done
}

become_node() { # runs as PID 1 of the new namespaces: private mounts, then pause
	local d=$1
	set -e
	mount --make-rprivate /
	mkdir -p "$d"/{run,cg,cni,etc,kubelet,containerd,volplugins,sysctl} \
		"$d"/var/{log-pods,log-containers,cni} /run/netns /run/containerd /var/log/pods \
		/var/log/containers /var/lib/cni
	mount -t tmpfs -o mode=755 tmpfs "$d/run"
	mount --rbind /sys/fs/cgroup "$d/cg"
	mount -t sysfs sysfs /sys
	mount --rbind "$d/cg" /sys/fs/cgroup
	umount /run/netns 2>/dev/null || true
	mount -t tmpfs -o mode=755 tmpfs /run/netns
	mount -t tmpfs -o mode=755 tmpfs /run/containerd
	mount --bind "$d/var/log-pods" /var/log/pods
	mount --bind "$d/var/log-containers" /var/log/containers
	mount --bind "$d/var/cni" /var/lib/cni
	hide_sysctls "$d/sysctl"
	echo 1 >/proc/sys/net/ipv4/ip_forward
	# A pod reaches its own service only so; where the file is missing, that alone fails.
	echo 1 2>/dev/null >/proc/sys/net/bridge/bridge-nf-call-iptables || true
	mount --make-rshared /
	ip link set lo up
	exec "$DIR/pause/pause"
}

start_bridge() {
	ip link show "$BRIDGE" >/dev/null 2>&1 && return 0
	ip link add "$BRIDGE" type bridge && ip addr add "$GATEWAY/24" dev "$BRIDGE" &&
		ip link set "$BRIDGE" up || die "no bridge $BRIDGE"
}

make_cgroups() { # cgroup v1 wants a directory in each hierarchy
	local c f
	for c in cpu cpuacct cpuset memory devices freezer blkio pids hugetlb perf_event systemd; do
		[ ! -d "/sys/fs/cgroup/$c" ] || mkdir -p "/sys/fs/cgroup/$c/$CGROUP-$1"
	done
	for f in cpus mems; do
		[ ! -d /sys/fs/cgroup/cpuset ] ||
			cat "/sys/fs/cgroup/cpuset/cpuset.$f" >"/sys/fs/cgroup/cpuset/$CGROUP-$1/cpuset.$f"
	done
}

remove_cgroups() { # what runs in them ends a moment after the node does
	local c g
	for c in /sys/fs/cgroup/*/; do
		g=$c$CGROUP-$1
		for _ in $(seq 50); do
			[ -d "$g" ] || break
			find "$g" -depth -type d -exec rmdir {} + 2>/dev/null
			[ ! -d "$g" ] || sleep 0.1
		done
		[ ! -d "$g" ] || say "left behind: $g"
	done
}

connect_node() { # connect_node I PID: a link to the bridge, routes to the other nodes' pods
	local i=$1 j
	ip link del "$BRIDGE-$i" 2>/dev/null
	ip link add "$BRIDGE-$i" type veth peer name eth0 netns "/proc/$2/ns/net" &&
		ip link set "$BRIDGE-$i" master "$BRIDGE" up || die "no link to node $i"
	nsenter -t "$2" -n sh -c "ip addr add $(node_ip "$i")/24 dev eth0; ip link set eth0 up
		ip route add default via $GATEWAY"
	for j in $(seq "$NODES"); do
		[ "$j" = "$i" ] || nsenter -t "$2" -n ip route replace "$(pod_net "$j")" via "$(node_ip "$j")"
	done
	ip route replace "$(pod_net "$i")" via "$(node_ip "$i")" dev "$BRIDGE"
}

start_namespaces() {
	local i=$1 pid
	pid_of "node-$i" >/dev/null && return 0
	start_bridge
	make_cgroups "$i"
	mkdir -p "$(node_dir "$i")"
	setsid unshare --mount --net --pid --fork --mount-proc -- "$HERE/cluster.sh" __become_node \
		"$(node_dir "$i")" >>"$LOG/node-$i.log" 2>&1 </dev/null &
	pid=$(child_of $! pause) || { cat "$LOG/node-$i.log" >&2; die "node $i did not start"; }
	record "node-$i" "$pid"
	disown $!
	connect_node "$i" "$pid"
}

# The bridge's side of the API server. link-0 is for pods, link-I for node I's kubelet and proxy.
link_port() { echo $((API + ($1 ? 10 + $1 : 0))); }
start_link() {
	local i=$1 from=$PODS
	pid_of "link-$i" >/dev/null && return 0
	[ "$i" = 0 ] || from=$(node_ip "$i")/32
	start_bridge
	spawn "link-$i" socat "TCP-LISTEN:$(link_port "$i"),bind=$GATEWAY,fork,reuseaddr,range=$from" \
		"TCP:127.0.0.1:$API"
}

write_containerd_config() { # write_containerd_config I
	local d lowers=true caps
	d=$(node_dir "$1")
	# Without CAP_SYS_RESOURCE (24) no process may lower its oom_score_adj: no sandbox would start.
	caps=$(awk '/^CapEff/ {print $2}' /proc/self/status)
	[ $((0x$caps >> 24 & 1)) = 0 ] || lowers=false
	cat >"$d/etc/containerd.toml" <<-EOF
	version = 2
	root = "$d/containerd"
	state = "$d/run/containerd"
	oom_score = 0
	[grpc]
	  address = "$d/containerd.sock"
	[plugins."io.containerd.grpc.v1.cri"]
	  sandbox_image = "localhost/pause:1"
	  enable_unprivileged_ports = true
	  restrict_oom_score_adj = $lowers
	  [plugins."io.containerd.grpc.v1.cri".cni]
	    bin_dir = "$CNI"
	    conf_dir = "$d/cni"
	  [plugins."io.containerd.grpc.v1.cri".containerd]
	    snapshotter = "overlayfs"
	    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
	      runtime_type = "io.containerd.runc.v2"
	EOF
	cat >"$d/cni/10-bridge.conflist" <<-EOF
	{"cniVersion": "0.4.0", "name": "pods", "plugins": [
	  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
	   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$(pod_net "$1")"}]],
	    "routes": [{"dst": "0.0.0.0/0"}]}},
	  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	EOF
}

start_containerd() {
	local i=$1 d image
	d=$(node_dir "$i")
	pid_of "containerd-$i" >/dev/null && return 0
	write_containerd_config "$i"
	rm -f "$d/containerd.sock"
	spawn_in "$(node_pid "$i")" "containerd-$i" containerd -c "$d/etc/containerd.toml" -l warn
	until_ok containerd "containerd-$i" node_ctr "$i" version
	for image in "$IMAGES"/*.tar; do
		node_ctr "$i" images import "$image" >/dev/null || die "node $i: cannot import $image"
	done
}

write_kubelet_config() { # write_kubelet_config I
	local d
	d=$(node_dir "$1")
	echo "nameserver $GATEWAY" >"$d/etc/resolv.conf"
	cat >"$d/etc/kubelet.yaml" <<-EOF
	apiVersion: kubelet.config.k8s.io/v1beta1
	kind: KubeletConfiguration
	address: $(node_ip "$1")
	healthzBindAddress: 127.0.0.1
	authentication:
	  anonymous: {enabled: false}
	  webhook: {enabled: true}
	  x509: {clientCAFile: "$PKI/ca.crt"}
	authorization: {mode: Webhook}
	tlsCertFile: "$PKI/node-$1.crt"
	tlsPrivateKeyFile: "$PKI/node-$1.key"
	containerRuntimeEndpoint: "unix://$d/containerd.sock"
	cgroupDriver: cgroupfs
	cgroupRoot: /$CGROUP-$1
	failCgroupV1: false
	failSwapOn: false
	oomScoreAdj: 0
	resolvConf: "$d/etc/resolv.conf"
	clusterDomain: cluster.local
	volumePluginDir: "$d/volplugins"
	evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
	imageGCHighThresholdPercent: 100
	EOF
}

start_kubelet() {
	local i=$1 d name=node-$1
	d=$(node_dir "$i")
	pid_of "kubelet-$i" >/dev/null && return 0
	cert "$name" "/O=system:nodes/CN=system:node:$name" "DNS:$name,IP:$(node_ip "$i")"
	kubeconfig_for "$name" "https://$GATEWAY:$(link_port "$i")"
	write_kubelet_config "$i"
	date -u +%FT%T >"$d/etc/started"
	spawn_in "$(node_pid "$i")" "kubelet-$i" kubelet --config "$d/etc/kubelet.yaml" \
		--kubeconfig "$CONF/$name.kubeconfig" --root-dir "$d/kubelet" \
		--cert-dir "$d/kubelet/pki" --hostname-override "$name" --node-ip "$(node_ip "$i")"
	until_ok "kubelet $i" "kubelet-$i" in_node "$i" curl -fsS -m 2 --noproxy '*' \
		http://127.0.0.1:10248/healthz
}

start_proxy() {
	local i=$1 d
	d=$(node_dir "$i")
	pid_of "proxy-$i" >/dev/null && return 0
	kubeconfig_for proxy "https://$GATEWAY:$(link_port "$i")" "proxy-$i"
	cat >"$d/etc/proxy.yaml" <<-EOF
	apiVersion: kubeproxy.config.k8s.io/v1alpha1
	kind: KubeProxyConfiguration
	mode: iptables
	clusterCIDR: $PODS
	hostnameOverride: node-$i
	oomScoreAdj: 0
	clientConnection: {kubeconfig: "$CONF/proxy-$i.kubeconfig"}
	healthzBindAddress: 127.0.0.1:10256
	metricsBindAddress: 127.0.0.1:10249
	# read-only outside the machine's own network namespace
	conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
	EOF
	spawn_in "$(node_pid "$i")" "proxy-$i" kube-proxy --config "$d/etc/proxy.yaml"
}

start_node() {
	start_namespaces "$1"
	start_link 0
	start_link "$1"
	start_containerd "$1"
	start_kubelet "$1"
	start_proxy "$1"
}

stop_node() { # stop_node I [SIGNAL]: its PID 1 takes everything in it along
	end "node-$1" "${2:-TERM}" 10
	rm -f "$RUN"/{containerd,kubelet,proxy}-"$1".pid
	end "link-$1" TERM 2
	ip link del "$BRIDGE-$1" 2>/dev/null
	remove_cgroups "$1"
}

node_ready() { # Ready, and not only left over from the last time: the kubelet has said so since
	local said
	said=$(kube get node "node-$1" -o \
		'jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status}{.lastHeartbeatTime}{end}') ||
		return 1
	[[ $said == True* && ! ${said#True} < $(cat "$(node_dir "$1")/etc/started") ]]
}
