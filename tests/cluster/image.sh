#!/bin/bash
# image.sh NAME ROOTFS_DIR [-o OUT.tar] [-e K=V]... [-u UID[:GID]] [-w DIR] -- CMD [ARG...]
# Makes an OCI image archive with one layer out of a directory, without a registry or an
# engine. The same directory contents give the same bytes (names sorted, times at 0).
# Import it with: ctr -n k8s.io images import OUT.tar
set -eu -o pipefail; umask 022
[ $# -ge 2 ] || { sed -n 2,5p "$0" >&2; exit 2; }
name=$1 root=$2; shift 2
out= user= wd=/ envs=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
while [ $# -gt 0 ]; do
	case $1 in
	-o) out=$2; shift 2 ;;
	-e) envs+=("$2"); shift 2 ;;
	-u) user=$2; shift 2 ;;
	-w) wd=$2; shift 2 ;;
	--) shift; break ;;
	*) echo "image.sh: unknown argument: $1" >&2; exit 2 ;;
	esac
done
case $name in */*) ;; *) name=localhost/$name ;; esac
case ${name##*/} in *:*) ;; *) name=$name:latest ;; esac
[ -n "$out" ] || out=$(echo "${name##*/}" | tr : -).tar

jstr() {
	local s=$1
	s=${s//\\/\\\\}; s=${s//\"/\\\"}; s=${s//$'\n'/\\n}; s=${s//$'\t'/\\t}
	printf '"%s"' "$s"
}
jarr() {
	local sep= a
	printf '['; for a; do printf '%s' "$sep"; jstr "$a"; sep=,; done; printf ']'
}

tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
blobs=$tmp/blobs/sha256; mkdir -p "$blobs"
put() { # stdin -> blob; sets digest and size
	cat >"$tmp/part"
	digest=$(sha256sum <"$tmp/part" | cut -d' ' -f1) size=$(stat -c %s "$tmp/part")
	mv "$tmp/part" "$blobs/$digest"
}
tar -C "$root" --sort=name --mtime=@0 --numeric-owner --format=gnu -cf "$tmp/layer" .
put <"$tmp/layer"; rm "$tmp/layer"; layer=$digest lsize=$size
oci=application/vnd.oci.image epoch=1970-01-01T00:00:00Z
put <<EOF
{"architecture":"$(dpkg --print-architecture 2>/dev/null || echo amd64)","os":"linux","created":"$epoch",
"config":{"User":$(jstr "$user"),"WorkingDir":$(jstr "$wd"),"Env":$(jarr "${envs[@]}"),"Cmd":$(jarr "$@")},
"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},
"history":[{"created":"$epoch","created_by":"image.sh"}]}
EOF
config=$digest csize=$size
put <<EOF
{"schemaVersion":2,"mediaType":"$oci.manifest.v1+json",
"config":{"mediaType":"$oci.config.v1+json","digest":"sha256:$config","size":$csize},
"layers":[{"mediaType":"$oci.layer.v1.tar","digest":"sha256:$layer","size":$lsize}]}
EOF
echo '{"imageLayoutVersion":"1.0.0"}' >"$tmp/oci-layout"
cat >"$tmp/index.json" <<EOF
{"schemaVersion":2,"manifests":[{"mediaType":"$oci.manifest.v1+json","digest":"sha256:$digest",
"size":$size,"annotations":{"io.containerd.image.name":$(jstr "$name"),
"org.opencontainers.image.ref.name":$(jstr "${name##*:}")}}]}
EOF
tar -C "$tmp" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu -cf "$out" \
	blobs index.json oci-layout
echo "$out $name sha256:$digest"
