/* Volumes are folders: made, filled, removed. */
#include "k8s/sandbox/volumes.h"

#include "base/buf.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/podfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const cJSON *volume_named(const cJSON *pod, const char *name)
{
	const cJSON *one;

	cJSON_ArrayForEach(
		one, json_at(pod, "spec", "volumes",
			     NULL)) if (same_text(json_str(one, "name", NULL), name)) return one;
	return NULL;
}

static char *claim_dir(struct cluster *cluster, const char *uid)
{
	return must_format("%s/c/%.8s", cluster->dir, uid);
}

/* The folder of a volume; to be freed. A claim's outlives the pod: its path is put in a link. */
static char *volume_dir(struct cluster *cluster, const cJSON *pod, const cJSON *volume)
{
	const char *host = json_str(volume, "hostPath", "path", NULL);
	OWN_MEM char *dir = pod_dir(cluster, meta(pod, "uid"));

	if (host)
		return must_dup(host);
	return must_format("%s/v/%s", dir, json_str(volume, "name", NULL));
}

void mounts_of(
	struct mounts *mounts, struct cluster *cluster, const cJSON *pod, const cJSON *container)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, json_at(container, "volumeMounts", NULL))
	{
		const char *path = json_str(one, "mountPath", NULL);
		const char *sub = json_str(one, "subPath", NULL);
		const cJSON *volume = volume_named(pod, json_str(one, "name", NULL));
		OWN_MEM char *dir = NULL;
		OWN_MEM char *whole = NULL;

		if (!path || !volume)
			continue;
		dir = volume_dir(cluster, pod, volume);
		whole = must_format("%s%s%s", dir, sub ? "/" : "", sub ? sub : "");
		mounts_add(mounts, path, whole);
	}
}

/* ---- making them ---- */

static int make_dir(const char *path, struct err *err)
{
	OWN_MEM char *part = must_dup(path);

	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(part, 0755);
		*slash = '/';
	}
	if (mkdir(part, 0755) && errno != EEXIST)
		return err_errno(err, "mkdir %s", path);
	return 0;
}

static int write_file(const char *dir, const char *name, const void *data, size_t len, int64_t mode,
	struct err *err)
{
	OWN_MEM char *path = must_format("%s/%s", dir, name);
	OWN_MEM char *parent = must_dup(path);
	OWN_FD int fd = -1;

	*strrchr(parent, '/') = '\0';
	if (strstr(name, "..") || make_dir(parent, err))
		return err_set(err, ERR_CONFIG, "cannot make %s", path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode | 0200);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		return err_errno(err, "write %s", path);
	if (fchmod(fd, (mode_t)mode))
		return err_errno(err, "chmod %s", path);
	return 0;
}

/* One key of a configMap or secret into a file. */
static int write_key(const struct mounts *mounts, const char *dir, const cJSON *value,
	const char *name, bool binary, int64_t mode, struct err *err)
{
	const char *text = value->valuestring ? value->valuestring : "";
	OWN_MEM char *data = NULL;
	size_t len = strlen(text);
	int n;

	if (!binary) {
		data = mounts_apply(mounts, text);
		return write_file(dir, name, data, strlen(data), mode, err);
	}
	data = must_alloc(len + 4);
	n = EVP_DecodeBlock((unsigned char *)data, (const unsigned char *)text, (int)len);
	for (size_t i = len; n > 0 && i > 0 && text[i - 1] == '='; i--)
		n--;
	return write_file(dir, name, data, n > 0 ? (size_t)n : 0, mode, err);
}

/* Writes one of its maps (data, binaryData); `items` says which keys and where, NULL: all. */
static int write_map(const struct mounts *mounts, const char *dir, const cJSON *map, bool binary,
	const cJSON *items, int64_t mode, struct err *err)
{
	const cJSON *one, *item;

	if (!items) {
		cJSON_ArrayForEach(one, map) if (write_key(mounts, dir, one, one->string, binary,
							 mode, err)) return -1;
		return 0;
	}
	cJSON_ArrayForEach(item, items)
	{
		const char *key = json_str(item, "key", NULL);
		const char *path = json_str(item, "path", NULL);

		one = key ? cJSON_GetObjectItemCaseSensitive(map, key) : NULL;
		if (one && path &&
			write_key(mounts, dir, one, path, binary,
				json_int(item, mode, "mode", NULL), err))
			return -1;
	}
	return 0;
}

static int make_data(struct cluster *cluster, const cJSON *pod, const struct kind *kind,
	const cJSON *source, const char *name, const struct mounts *mounts, const char *dir,
	struct err *err)
{
	const cJSON *object = store_get(cluster->store, kind, meta(pod, "namespace"), name);
	const cJSON *items = json_at(source, "items", NULL);
	int64_t mode = json_int(source, 0644, "defaultMode", NULL);
	bool secret = kind == &kinds[KIND_SECRET];

	if (make_dir(dir, err))
		return -1;
	if (!object && json_bool(source, 0, "optional", NULL))
		return 0;
	if (!object)
		return err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found", kind->singular, name);
	if (write_map(mounts, dir, json_at(object, "data", NULL), secret, items, mode, err))
		return -1;
	return write_map(mounts, dir, json_at(object, "binaryData", NULL), true, items, mode, err);
}

static int make_claim(struct cluster *cluster, const cJSON *pod, const char *claim, const char *dir,
	struct err *err)
{
	const cJSON *object = store_get(
		cluster->store, &kinds[KIND_CLAIM], meta(pod, "namespace"), claim);
	OWN_MEM char *parent = must_dup(dir);
	OWN_MEM char *kept = NULL;

	if (!object)
		return err_set(err, ERR_NOT_FOUND, "persistentvolumeclaim \"%s\" not found", claim);
	kept = claim_dir(cluster, meta(object, "uid"));
	*strrchr(parent, '/') = '\0';
	if (make_dir(kept, err) || make_dir(parent, err))
		return -1;
	if (symlink(kept, dir) && errno != EEXIST)
		return err_errno(err, "link %s to %s", dir, kept);
	return 0;
}

static int make_host(const cJSON *source, struct err *err)
{
	const char *path = json_str(source, "path", NULL);
	const char *type = json_str(source, "type", NULL);

	if (same_text(type, "DirectoryOrCreate"))
		return make_dir(path, err);
	if (same_text(type, "Directory") && access(path, F_OK))
		return err_set(err, ERR_NOT_FOUND,
			"hostPath type check failed: %s is not a directory", path);
	return 0;
}

static int volume_make(struct cluster *cluster, const cJSON *pod, const cJSON *volume,
	const struct mounts *mounts, struct err *err)
{
	OWN_MEM char *dir = volume_dir(cluster, pod, volume);
	const cJSON *map = json_at(volume, "configMap", NULL);
	const cJSON *secret = json_at(volume, "secret", NULL);
	const char *claim = json_str(volume, "persistentVolumeClaim", "claimName", NULL);

	if (map && json_str(map, "name", NULL))
		return make_data(cluster, pod, &kinds[KIND_CONFIGMAP], map,
			json_str(map, "name", NULL), mounts, dir, err);
	if (secret && json_str(secret, "secretName", NULL))
		return make_data(cluster, pod, &kinds[KIND_SECRET], secret,
			json_str(secret, "secretName", NULL), mounts, dir, err);
	if (claim)
		return make_claim(cluster, pod, claim, dir, err);
	if (json_str(volume, "hostPath", "path", NULL))
		return make_host(json_at(volume, "hostPath", NULL), err);
	if (json_at(volume, "emptyDir", NULL))
		return make_dir(dir, err);
	return err_set(err, ERR_CONFIG,
		"the sandbox knows the volumes emptyDir, configMap, secret, hostPath and "
		"persistentVolumeClaim: this is another");
}

int volumes_make(struct cluster *cluster, const cJSON *pod, struct err *err)
{
	OWN(mounts_done) struct mounts mounts = { 0 };
	const cJSON *one;

	cJSON_ArrayForEach(one, json_at(pod, "spec", "initContainers", NULL))
		mounts_of(&mounts, cluster, pod, one);
	cJSON_ArrayForEach(one, json_at(pod, "spec", "containers", NULL))
		mounts_of(&mounts, cluster, pod, one);
	cJSON_ArrayForEach(one,
		json_at(pod, "spec", "volumes", NULL)) if (volume_make(cluster, pod, one, &mounts,
								   err)) return err_wrap(err,
		"MountVolume.SetUp failed for volume \"%s\"", json_str(one, "name", NULL));
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
