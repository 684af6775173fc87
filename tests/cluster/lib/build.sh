# The binaries: from $KUBEBUILDER_ASSETS, or built once from Kubernetes' Go modules into a cache
# folder. go.sum holds every byte that is compiled; versions stand in kubernetes/go.mod.

COMPONENTS="etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl"
GO_TOOLCHAIN=go1.26.8

have_all() { # have_all FOLDER
	local c
	for c in $COMPONENTS; do [ -x "$1/$c" ] || return 1; done
}

go_is_new() { # go_is_new GO: at least what go.mod asks for, without a download
	local version
	version=$(cd / && GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
	[ "$(printf '%s\n' go1.26 "$version" | sort -V | head -n 1)" = go1.26 ]
}

# Debian 12 has Go 1.19. Newer toolchains are published as Go modules, which even that one can
# download and check against the checksum database; only the execute bits are lost on the way.
fetch_go() {
	local arch dir from
	arch=$(go env GOARCH) dir=$CACHE/$GO_TOOLCHAIN
	if [ ! -x "$dir/bin/go" ]; then
		say "fetching $GO_TOOLCHAIN"
		mkdir -p "$CACHE" && rm -rf "$dir.new"
		from=$(cd / && go mod download -json \
			"golang.org/toolchain@v0.0.1-$GO_TOOLCHAIN.linux-$arch" |
			sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') && [ -n "$from" ] || return 1
		cp -r "$from" "$dir.new" && chmod -R u+w "$dir.new" &&
			chmod +x "$dir.new"/bin/* "$dir.new"/pkg/tool/*/* && mv "$dir.new" "$dir" || return 1
	fi
	GO=$dir/bin/go
}

find_go() { # sets GO
	command -v go >/dev/null || return 1
	GO=$(command -v go)
	go_is_new "$GO" || fetch_go
}

build() {
	local c t p ld="-s -w" minor=${VERSION#v1.}
	have_all "$BIN" && return 0
	find_go || die "no usable Go: install golang-go, or set KUBEBUILDER_ASSETS"
	minor=${minor%%.*}
	for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		ld+=" -X $p.gitVersion=$VERSION -X $p.gitMajor=1 -X $p.gitMinor=$minor"
		ld+=" -X $p.gitTreeState=clean"
	done
	mkdir -p "$BIN"; t=$(now)
	say "building Kubernetes $VERSION into $BIN (about 8 minutes the first time)"
	(cd "$HERE/kubernetes" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly nice "$GO" build -buildvcs=false \
		-trimpath -ldflags "$ld" -o "$BIN/.new" .) || die "Kubernetes was not built"
	mv "$BIN/.new" "$BIN/kube"
	for c in $COMPONENTS; do ln -sf kube "$BIN/$c"; done
	say "built in $(since "$t")"
}

missing() { # what is not here, one a line
	local tool
	[ "$(id -u)" = 0 ] || echo "root (namespaces and containers are made)"
	for tool in containerd containerd-shim-runc-v2 ctr runc iptables conntrack socat ip nsenter \
		unshare busybox gcc openssl curl; do
		command -v $tool >/dev/null || echo "program $tool"
	done
	[ -x "$CNI/bridge" ] || echo "CNI plug-ins in $CNI"
	have_all "$BIN" || command -v go >/dev/null || echo "Go (or KUBEBUILDER_ASSETS)"
}
