/* Writes records of runs for tests. */
#include "tests/support/fake_record.h"

#include "base/buf.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MUST(call)                                           \
	do {                                                 \
		struct err err = { 0 };                      \
		if (call)                                    \
			fail_msg("%s: %s", #call, err.text); \
	} while (0)

void fake_begin(struct fake *f)
{
	*f = (struct fake){ 0 };
	strcpy(f->dir, "/tmp/crumble-fake-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	MUST(journal_create(f->dir, &f->journal, &err));
}

void fake_close(struct fake *f)
{
	samples_close(f->samples);
	f->samples = NULL;
	journal_close(f->journal);
	f->journal = NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fake_end(struct fake *f)
{
	fake_close(f);
	nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void fake_event(struct fake *f, const char *name, const char *keys, ...)
{
	OWN_MEM char *text = NULL;
	OWN_JSON cJSON *event = NULL;
	va_list args;

	va_start(args, keys);
	assert_true(vasprintf(&text, keys, args) >= 0);
	va_end(args);
	MUST(json_parse("keys of a fake event", text, strlen(text), &event, &err));
	json_add_int(event, "t", f->t);
	json_add_str(event, "e", name);
	MUST(journal_append(f->journal, event, &err));
}

void fake_plan(struct fake *f, const char *const *expects)
{
	fake_at(f, 0, "run",
		"{\"format\":1,\"id\":\"20261124t145310z-fake-3f9a\",\"scenario\":\"fake\","
		"\"title\":\"A fake run\",\"file\":\"scenarios/fake.yaml\","
		"\"wall\":\"2026-11-24T14:53:10Z\",\"wall_ns\":1795531990000000000,"
		"\"tool\":\"0.1.0\",\"commit\":\"abc\",\"sha256\":\"00\",\"seed\":\"7\","
		"\"host\":\"ci-7\",\"cluster\":{\"kind\":\"kubeconfig\",\"server\":\"https://x\"},"
		"\"phases\":{\"baseline\":10000000000,\"faults\":30000000000,"
		"\"recovery\":10000000000}}");
	fake_event(f, "cookie",
		"{\"name\":\"eat\",\"kind\":\"killpod\",\"mark\":\"plan\",\"line\":9,"
		"\"instant\":true,\"settle\":5000000000}");
	fake_event(f, "expect",
		"{\"of\":\"eat\",\"role\":\"cookie\",\"text\":\"bites >= 1\",\"line\":0,"
		"\"default\":true}");
	fake_event(f, "verifier",
		"{\"name\":\"token\",\"kind\":\"http\",\"mark\":\"plan\",\"line\":14,"
		"\"finite\":false,\"control\":false,\"period\":100000000,\"timeout\":2000000000,"
		"\"flap\":1,\"phases\":[\"baseline\",\"faults\",\"recovery\"]}");
	for (unsigned i = 0; expects && expects[i]; i++)
		fake_event(f, "expect",
			"{\"of\":\"token\",\"role\":\"verifier\",\"text\":\"%s\",\"line\":%u}",
			expects[i], 20 + i);
}

void fake_phase(struct fake *f, int64_t at, const char *name, const char *mark)
{
	fake_at(f, at, "phase", "{\"name\":\"%s\",\"mark\":\"%s\"}", name, mark);
}

void fake_bite(struct fake *f, unsigned number, int64_t sent_ns, int64_t ready_ns)
{
	fake_at(f, sent_ns - 2 * MS, "bite.intent",
		"{\"bite\":\"eat/%u\",\"cookie\":\"eat\",\"due\":%lld,\"targets\":[{\"kind\":\"pod\","
		"\"namespace\":\"openstack\",\"name\":\"api-%u\",\"uid\":\"u%u\","
		"\"workload\":{\"kind\":\"deployment\",\"name\":\"api\"}}]}",
		number, (long long)(sent_ns - 2 * MS), number, number);
	fake_at(f, sent_ns, "bite.sent", "{\"bite\":\"eat/%u\"}", number);
	fake_at(f, sent_ns + 5 * MS, "bite.done", "{\"bite\":\"eat/%u\",\"ok\":true}", number);
	fake_at(f, sent_ns + 200 * MS, "bite.proof",
		"{\"bite\":\"eat/%u\",\"verdict\":\"proved\",\"evidence\":\"UID u%u is gone\"}",
		number, number);
	fake_event(f, "target", "{\"bite\":\"eat/%u\",\"target\":0,\"state\":\"gone\"}", number);
	if (ready_ns < 0)
		return;
	fake_at(f, ready_ns, "target",
		"{\"bite\":\"eat/%u\",\"target\":0,\"state\":\"ready\",\"name\":\"api-n%u\","
		"\"uid\":\"n%u\"}",
		number, number, number);
}

void fake_samples_of(struct fake *f, const char *verifier, const char *file, int64_t period_ns)
{
	samples_close(f->samples);
	f->samples = NULL;
	f->seq = 0;
	MUST(samples_create(f->dir, file, verifier, 0, period_ns, &f->samples, &err));
	fake_event(f, "verifier", "{\"name\":\"%s\",\"mark\":\"begin\",\"file\":\"%s\"}", verifier,
		file);
}

void fake_samples(struct fake *f)
{
	fake_samples_of(f, "token", "token.samples", 100 * MS);
}

void fake_sample(struct fake *f, const struct sample *sample)
{
	struct sample s = *sample;

	s.seq = f->seq++;
	MUST(samples_append(f->samples, &s, 1, &err));
}

void fake_run(
	struct fake *f, int64_t from_ns, int64_t to_ns, enum outcome outcome, uint32_t latency_ms)
{
	for (int64_t due = from_ns; due < to_ns; due += 100 * MS) {
		struct sample s = { .due_ns = due,
			.sent_us = 0,
			.first_us = latency_ms * 1000,
			.done_us = latency_ms * 1000,
			.outcome = (uint8_t)outcome };

		if (outcome == OUTCOME_MISSED || outcome == OUTCOME_UNSENT)
			s.sent_us = s.first_us = s.done_us = SAMPLE_NEVER;
		fake_sample(f, &s);
	}
}

void fake_finish(struct fake *f, int64_t at)
{
	fake_at(f, at, "verifier", "{\"name\":\"token\",\"mark\":\"end\"}");
	fake_phase(f, at, "sweep", "begin");
	fake_event(f, "sweep", "{\"ok\":true}");
	fake_phase(f, at + 100 * MS, "sweep", "end");
	fake_at(f, at + 200 * MS, "run.end", "{\"verdict\":\"PASS\",\"exit\":0}");
}

void fake_whole(struct fake *f, const char *const *expects, int64_t bad_from, int64_t bad_to)
{
	fake_plan(f, expects);
	fake_event(f, "preflight", "{\"ok\":true}");
	fake_phase(f, 0, "baseline", "begin");
	fake_samples(f);
	fake_run(f, 0, bad_from, OUTCOME_OK, 20);
	fake_run(f, bad_from, bad_to, OUTCOME_REFUSED, 1);
	fake_run(f, bad_to, 50 * S, OUTCOME_OK, 20);
	fake_phase(f, 10 * S, "baseline", "end");
	fake_event(f, "gate", "{\"ok\":true}");
	fake_phase(f, 10 * S, "faults", "begin");
	fake_at(f, 10 * S, "cookie", "{\"name\":\"eat\",\"mark\":\"begin\"}");
	fake_bite(f, 1, 12 * S, 15 * S);
	fake_bite(f, 2, 24 * S, 27 * S);
	fake_at(f, 40 * S, "cookie", "{\"name\":\"eat\",\"mark\":\"end\"}");
	fake_phase(f, 40 * S, "faults", "end");
	fake_phase(f, 40 * S, "recovery", "begin");
	fake_phase(f, 50 * S, "recovery", "end");
	fake_finish(f, 53 * S);
}
