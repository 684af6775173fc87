# Certificates, kubeconfigs, and the four processes of the control plane on 127.0.0.1.

new_ca() { # new_ca NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
		-subj "/CN=kube-$1" -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
		-keyout "$PKI/$1.key" -out "$PKI/$1.crt" 2>/dev/null || die "no certificate authority $1"
}

cert() { # cert NAME SUBJECT [SAN]: signed by $CA
	local ca=$PKI/${CA:-ca} ext
	[ ! -s "$PKI/$1.crt" ] || return 0
	ext="keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=clientAuth,serverAuth${3:+
subjectAltName=$3}"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$PKI/$1.key" \
		-subj "$2" 2>/dev/null |
		openssl x509 -req -CA "$ca.crt" -CAkey "$ca.key" -set_serial "0x$(openssl rand -hex 15)" \
			-days 3650 -extfile <(echo "$ext") -out "$PKI/$1.crt" 2>/dev/null || die "no certificate $1"
}

kubeconfig_for() { # kubeconfig_for CERTIFICATE SERVER [FILE]
	local ca crt key file=$CONF/${3:-$1}.kubeconfig
	ca=$(base64 -w0 "$PKI/ca.crt") crt=$(base64 -w0 "$PKI/$1.crt") key=$(base64 -w0 "$PKI/$1.key")
	(umask 077; cat >"$file") <<-EOF
	apiVersion: v1
	kind: Config
	clusters: [{name: kube, cluster: {server: "$2", certificate-authority-data: $ca}}]
	users: [{name: $1, user: {client-certificate-data: $crt, client-key-data: $key}}]
	contexts: [{name: kube, context: {cluster: kube, user: $1}}]
	current-context: kube
	EOF
}

certificates() {
	local n names=DNS:localhost
	chmod 700 "$PKI"
	for n in ca front-proxy-ca; do [ -s "$PKI/$n.crt" ] || new_ca $n; done
	[ -s "$PKI/sa.key" ] || {
		openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$PKI/sa.key" 2>/dev/null
		openssl pkey -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub"
	}
	for n in kubernetes kubernetes.default kubernetes.default.svc; do names+=,DNS:$n; done
	cert apiserver /CN=kube-apiserver "$names,IP:127.0.0.1,IP:$API_SERVICE,IP:$GATEWAY"
	cert admin /O=system:masters/CN=admin
	cert kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
	cert kcm /CN=system:kube-controller-manager
	cert scheduler /CN=system:kube-scheduler
	cert proxy /CN=system:kube-proxy
	CA=front-proxy-ca cert front-proxy-client /CN=front-proxy-client
	for n in admin kcm scheduler; do kubeconfig_for $n "https://127.0.0.1:$API"; done
}

kube() { kubectl --kubeconfig "$CONF/admin.kubeconfig" "$@"; }

api_ready() {
	curl -fsS -m 5 --noproxy '*' --cacert "$PKI/ca.crt" --cert "$PKI/admin.crt" \
		--key "$PKI/admin.key" "https://127.0.0.1:$API/readyz"
}

healthy() { curl -fsSk -m 2 --noproxy '*' "https://127.0.0.1:$1/healthz"; }

start_etcd() {
	pid_of etcd >/dev/null && return 0
	spawn etcd etcd --name default --data-dir "$DIR/etcd" --log-level warn \
		--listen-client-urls "http://127.0.0.1:$ETCD" \
		--advertise-client-urls "http://127.0.0.1:$ETCD" \
		--listen-peer-urls "http://127.0.0.1:$PEER" \
		--initial-advertise-peer-urls "http://127.0.0.1:$PEER" \
		--initial-cluster "default=http://127.0.0.1:$PEER"
	until_ok etcd etcd curl -fsS -m 2 --noproxy '*' "http://127.0.0.1:$ETCD/readyz"
}

start_apiserver() {
	pid_of apiserver >/dev/null && return 0
	spawn apiserver kube-apiserver --etcd-servers "http://127.0.0.1:$ETCD" \
		--bind-address 127.0.0.1 --secure-port "$API" --advertise-address "$GATEWAY" \
		--tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
		--client-ca-file "$PKI/ca.crt" --authorization-mode Node,RBAC \
		--enable-admission-plugins NodeRestriction --allow-privileged=true \
		--service-cluster-ip-range "$SERVICES" \
		--service-account-issuer https://kubernetes.default.svc.cluster.local \
		--service-account-signing-key-file "$PKI/sa.key" \
		--service-account-key-file "$PKI/sa.pub" \
		--requestheader-client-ca-file "$PKI/front-proxy-ca.crt" \
		--requestheader-allowed-names front-proxy-client \
		--requestheader-extra-headers-prefix X-Remote-Extra- \
		--requestheader-group-headers X-Remote-Group \
		--requestheader-username-headers X-Remote-User \
		--proxy-client-cert-file "$PKI/front-proxy-client.crt" \
		--proxy-client-key-file "$PKI/front-proxy-client.key" \
		--kubelet-client-certificate "$PKI/kubelet-client.crt" \
		--kubelet-client-key "$PKI/kubelet-client.key" \
		--kubelet-certificate-authority "$PKI/ca.crt" \
		--kubelet-preferred-address-types InternalIP
	until_ok apiserver apiserver api_ready
}

start_kcm() {
	local conf=$CONF/kcm.kubeconfig
	pid_of kcm >/dev/null && return 0
	spawn kcm kube-controller-manager --kubeconfig "$conf" --authentication-kubeconfig "$conf" \
		--authorization-kubeconfig "$conf" --bind-address 127.0.0.1 --secure-port "$KCM" \
		--leader-elect=false --use-service-account-credentials \
		--service-account-private-key-file "$PKI/sa.key" --root-ca-file "$PKI/ca.crt" \
		--cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key"
}

start_scheduler() {
	local conf=$CONF/scheduler.kubeconfig
	pid_of scheduler >/dev/null && return 0
	spawn scheduler kube-scheduler --kubeconfig "$conf" --authentication-kubeconfig "$conf" \
		--authorization-kubeconfig "$conf" --bind-address 127.0.0.1 --secure-port "$SCHEDULER" \
		--leader-elect=false
}

start_control_plane() {
	certificates
	start_etcd
	start_apiserver
	start_kcm
	start_scheduler
	until_ok kcm kcm healthy "$KCM"
	until_ok scheduler scheduler healthy "$SCHEDULER"
	until_ok "the default service account" "" kube get serviceaccount default
}
