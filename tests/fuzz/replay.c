/*
 * Runs a fuzz target over every file of a folder, and over every beginning of each (files are
 * short): what libFuzzer found once stays found under any compiler.
 */
#include "base/buf.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>

static int replay_file(const char *dir, const char *name)
{
	OWN_MEM char *path = str_format("%s/%s", dir, name), *data = NULL;
	struct err err = { 0 };
	size_t len, step;

	if (!path || buf_read_file(path, 1 << 20, &data, &len, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	step = len / 256 + 1;
	for (size_t part = 0; part < len; part += step)
		LLVMFuzzerTestOneInput((const uint8_t *)data, part);
	LLVMFuzzerTestOneInput((const uint8_t *)data, len);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	size_t files = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay_file(argv[1], entry->d_name))
			return 1;
		files++;
	}
	closedir(dir);
	printf("%zu files\n", files);
	return files ? 0 : 1;
}
