# The images that the cluster's pods run, made here, once a cluster: there is no registry.

new_root() {
	rm -rf "$DIR/rootfs"
	mkdir -p "$DIR"/rootfs/{bin,etc,tmp,proc,sys,dev} && chmod 1777 "$DIR/rootfs/tmp"
}

pause_image() {
	mkdir -p "$DIR/pause"
	gcc -Os -static -s -o "$DIR/pause/pause" "$HERE/pause.c" || die "pause.c does not compile"
	"$HERE/image.sh" pause:1 "$DIR/pause" -o "$IMAGES/pause.tar" -- /pause >/dev/null
}

busybox_image() {
	local applet
	new_root
	cp "$(command -v busybox)" "$DIR/rootfs/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$DIR/rootfs/bin/$applet"
	done
	echo 'root:x:0:0:root:/:/bin/sh' >"$DIR/rootfs/etc/passwd"
	"$HERE/image.sh" busybox:1 "$DIR/rootfs" -o "$IMAGES/busybox.tar" -- sh >/dev/null
	rm -rf "$DIR/rootfs"
}

make_images() {
	mkdir -p "$IMAGES"
	[ -s "$IMAGES/pause.tar" ] || pause_image || die "no image of pause"
	[ -s "$IMAGES/busybox.tar" ] || busybox_image || die "no image of busybox"
}
