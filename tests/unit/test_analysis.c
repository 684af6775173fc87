/*
 * The accumulators: histogram, outages and their bounds, attribution. Bounds are held against
 * thousands of random timelines whose truth is known to the test alone.
 */
#include "reports/analysis/blame.h"
#include "reports/analysis/histogram.h"
#include "reports/analysis/tally.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % below;
}

/* ---- histogram ---- */

static int by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void quantiles_are_within_one_percent(void **state)
{
	enum { N = 20000 };
	static uint32_t values[N];
	static struct histogram h;
	static const double quantiles[] = { 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1 };

	(void)state;
	random_state = 1;
	memset(&h, 0, sizeof(h));
	for (int i = 0; i < N; i++) {
		values[i] = (uint32_t)draw(UINT64_C(1) << (1 + draw(32)));
		histogram_add(&h, values[i]);
	}
	qsort(values, N, sizeof(values[0]), by_value);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		size_t rank = (size_t)ceil(quantiles[i] * N - 1e-9);
		double want = values[rank - 1] * 1000.0;
		double got = (double)histogram_quantile_ns(&h, quantiles[i]);

		if (fabs(got - want) > want * 0.005 + 0.5)
			fail_msg("q %g: %g, expected %g", quantiles[i], got, want);
	}
}

static void the_largest_values_have_buckets(void **state)
{
	static struct histogram h;

	(void)state;
	memset(&h, 0, sizeof(h));
	assert_true(histogram_quantile_ns(&h, 0.5) == -1);
	histogram_add(&h, UINT32_MAX);
	histogram_add(&h, 0);
	assert_true(histogram_quantile_ns(&h, 0.5) == 0);
	assert_true(histogram_quantile_ns(&h, 1) == (int64_t)UINT32_MAX * 1000);
	assert_true(llabs(histogram_quantile_ns(&h, 0.99) - (int64_t)UINT32_MAX * 1000) <
		    (int64_t)UINT32_MAX * 5);
}

static void merged_is_as_if_all_were_added_to_one(void **state)
{
	static struct histogram one, a, b;

	(void)state;
	memset(&one, 0, sizeof(one));
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	random_state = 2;
	for (int i = 0; i < 1000; i++) {
		uint32_t us = (uint32_t)draw(1000000);

		histogram_add(&one, us);
		histogram_add(i % 3 ? &a : &b, us);
	}
	histogram_merge(&a, &b);
	assert_memory_equal(&a, &one, sizeof(one));
}

/* ---- outages by hand ---- */

struct seen {
	struct outage v[64];
	size_t n;
};

static void see(void *arg, const struct outage *o)
{
	struct seen *seen = arg;

	if (seen->n < 64)
		seen->v[seen->n] = *o;
	seen->n++;
}

/* A letter a sample, 100 ms apart, sent 1 ms after due, done 10 ms after: o ok, r refused,
 * t timeout (done 500 ms after), u unsent, m missed, l lost, c cancelled. */
static struct seen run(const char *letters, unsigned flap)
{
	struct seen seen = { .n = 0 };
	struct outages o;

	outages_init(&o, flap, see, &seen);
	for (int64_t i = 0; letters[i]; i++) {
		struct sample s = { .due_ns = i * 100 * MS,
			.sent_us = 1000,
			.done_us = 10000,
			.seq = (uint32_t)i };
		static const char names[] = "ortumlc";
		static const enum outcome outcomes[] = { OUTCOME_OK, OUTCOME_REFUSED,
			OUTCOME_TIMEOUT, OUTCOME_UNSENT, OUTCOME_MISSED, OUTCOME_LOST,
			OUTCOME_CANCELLED };

		s.outcome = (uint8_t)outcomes[strchr(names, letters[i]) - names];
		if (letters[i] == 't')
			s.done_us = 500000;
		if (letters[i] == 'u' || letters[i] == 'm')
			s.sent_us = s.done_us = SAMPLE_NEVER;
		outages_add(&o, &s);
	}
	outages_end(&o);
	return seen;
}

static void bounds_come_from_what_was_sent(void **state)
{
	struct seen seen = run("ooorrroo", 1);

	(void)state;
	assert_int_equal(seen.n, 1);
	assert_true(seen.v[0].begin_ns == 301 * MS);
	assert_true(seen.v[0].min_ns == 200 * MS);
	assert_true(seen.v[0].max_ns == 400 * MS);
	assert_true(outage_length_ns(&seen.v[0]) == 300 * MS);
	assert_int_equal(seen.v[0].bad, 3);
	assert_int_equal(seen.v[0].outcome, OUTCOME_REFUSED);
}

static void one_bad_sample_is_an_outage(void **state)
{
	struct seen seen = run("oro", 1);

	(void)state;
	assert_int_equal(seen.n, 1);
	assert_true(seen.v[0].min_ns == 0 && seen.v[0].max_ns == 200 * MS);
}

static void all_ok_is_none(void **state)
{
	(void)state;
	assert_int_equal(run("oooooo", 1).n, 0);
	assert_int_equal(run("", 1).n, 0);
}

static void unsent_counts_but_is_no_end_point(void **state)
{
	struct seen seen = run("oouruuo", 1);

	(void)state;
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.v[0].bad, 4);
	assert_true(seen.v[0].due_ns == 200 * MS);
	assert_true(seen.v[0].begin_ns == 301 * MS);
	assert_true(seen.v[0].min_ns == 0);
	assert_true(seen.v[0].max_ns == 500 * MS);
	assert_false(seen.v[0].first_sent);
	seen = run("ouuo", 1);
	assert_true(seen.v[0].begin_ns == 100 * MS);
	assert_true(seen.v[0].min_ns == 0 && seen.v[0].max_ns == 300 * MS);
}

static void missed_lost_and_cancelled_are_passed_over(void **state)
{
	struct seen seen = run("oomrmlcrmoo", 1);

	(void)state;
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.v[0].bad, 2);
	assert_true(seen.v[0].min_ns == 400 * MS);
	assert_true(seen.v[0].max_ns == 800 * MS);
	assert_int_equal(run("omlco", 1).n, 0);
}

static void ends_without_a_neighbour_are_censored(void **state)
{
	struct seen seen = run("rroorr", 1);

	(void)state;
	assert_int_equal(seen.n, 2);
	assert_true(seen.v[0].ok_before_ns == -1 && seen.v[0].ok_behind_ns == 201 * MS);
	assert_true(seen.v[0].max_ns == INT64_MAX);
	assert_true(seen.v[1].ok_before_ns == 301 * MS && seen.v[1].ok_behind_ns == -1);
	assert_true(seen.v[1].max_ns == INT64_MAX);
	assert_true(outage_length_ns(&seen.v[1]) == 100 * MS);
}

static void flapping_is_joined_when_asked(void **state)
{
	struct seen seen = run("orroorroooro", 1);

	(void)state;
	assert_int_equal(seen.n, 3);
	seen = run("orroorroooro", 3);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.v[0].bad, 4);
	assert_true(seen.v[0].min_ns == 500 * MS && seen.v[0].max_ns == 700 * MS);
	seen = run("orroorroooro", 2);
	assert_int_equal(seen.n, 3); /* two ok samples are not fewer than two */
	seen = run("orror", 3);
	assert_int_equal(seen.n, 1);
	assert_true(seen.v[0].ok_behind_ns == -1);
}

/* ---- outages against a truth ----
 *
 * The service is down in [down, up): a request sent then is refused or hangs until its timeout.
 * The sender may be late, skip slots, and have a cap that turns slots into unsent.
 */
struct truth {
	int64_t down[8], up[8];
	size_t n;
};

static bool is_down(const struct truth *t, int64_t at)
{
	for (size_t i = 0; i < t->n; i++)
		if (at >= t->down[i] && at < t->up[i])
			return true;
	return false;
}

static struct truth make_truth(int64_t end)
{
	struct truth t = { .n = 1 + draw(4) };
	int64_t at = 0;

	for (size_t i = 0; i < t.n; i++) {
		at += S + (int64_t)draw((uint64_t)(end / 6));
		t.down[i] = at;
		at += (int64_t)draw((uint64_t)(2 * S));
		t.up[i] = at;
	}
	return t;
}

struct sender {
	int64_t period, late_max;
	unsigned missed_percent, unsent_percent;
	bool hangs, ideal;
};

/* What an independent reckoning says of each truth: sent ok before, sent ok behind, sent bad. */
struct reckoning {
	int64_t ok_before, ok_behind;
	bool hit, flawed; /* flawed: a slot near it was missed, unsent or late */
};

static void check_timeline(uint64_t seed)
{
	const int64_t end = 30 * S;
	struct seen seen = { .n = 0 };
	struct reckoning reckoned[8];
	struct sender w;
	struct outages o;
	struct truth t;

	random_state = seed;
	t = make_truth(end);
	w = (struct sender){ .period = (int64_t)(10 + draw(190)) * MS, .hangs = draw(2) };
	w.ideal = draw(2);
	w.late_max = w.ideal ? 1 : w.period / 2;
	w.missed_percent = w.ideal ? 0 : (unsigned)draw(20);
	w.unsent_percent = w.ideal ? 0 : (unsigned)draw(30);
	for (size_t i = 0; i < t.n; i++)
		reckoned[i] = (struct reckoning){ -1, -1, false, false };
	outages_init(&o, 1, see, &seen);
	for (int64_t k = 0; k * w.period < end; k++) {
		struct sample s = { .due_ns = k * w.period, .seq = (uint32_t)k };
		int64_t sent = s.due_ns + (int64_t)draw((uint64_t)w.late_max) / 1000 * 1000;
		bool down = is_down(&t, sent), missed = draw(100) < w.missed_percent;
		bool unsent = !missed && down && draw(100) < w.unsent_percent;

		s.sent_us = s.done_us = SAMPLE_NEVER;
		if (missed)
			s.outcome = OUTCOME_MISSED;
		else if (unsent)
			s.outcome = OUTCOME_UNSENT;
		else {
			s.sent_us = (uint32_t)((sent - s.due_ns) / 1000);
			s.done_us = s.sent_us + (down && w.hangs ? 1000000 : 3000);
			s.outcome = !down ? OUTCOME_OK : w.hangs ? OUTCOME_TIMEOUT : OUTCOME_RESET;
		}
		outages_add(&o, &s);
		for (size_t i = 0; i < t.n; i++) {
			if (s.outcome == OUTCOME_OK && sent < t.down[i])
				reckoned[i].ok_before = sent;
			if (s.outcome == OUTCOME_OK && sent >= t.up[i] && reckoned[i].ok_behind < 0)
				reckoned[i].ok_behind = sent;
			if (sent >= t.down[i] && sent < t.up[i] && !missed)
				reckoned[i].hit = true;
			if ((missed || unsent) && sent > t.down[i] - 3 * w.period &&
				sent < t.up[i] + 3 * w.period)
				reckoned[i].flawed = true;
		}
	}
	outages_end(&o);

	for (size_t i = 0; i < t.n; i++) {
		const struct outage *mine = NULL;
		size_t first = i, last = i;

		/* truths with no ok sent between them are one */
		while (first && reckoned[first - 1].ok_before == reckoned[i].ok_before)
			first--;
		while (last + 1 < t.n && reckoned[last + 1].ok_before == reckoned[i].ok_before)
			last++;
		for (size_t k = 0; k < seen.n; k++)
			if (seen.v[k].ok_before_ns == reckoned[i].ok_before)
				mine = &seen.v[k];
		if (!mine) {
			bool hit = false;

			for (size_t k = first; k <= last; k++)
				hit |= reckoned[k].hit;
			if (hit)
				fail_msg("seed %llu: outage %zu was not seen",
					(unsigned long long)seed, i);
			if (t.up[i] - t.down[i] > 2 * w.period && !reckoned[i].flawed &&
				t.up[i] < end - w.period)
				fail_msg("seed %llu: outage %zu is longer than two periods",
					(unsigned long long)seed, i);
			continue;
		}
		if (mine->ok_before_ns >= 0 && mine->ok_behind_ns >= 0) {
			int64_t length = t.up[last] - t.down[first];

			/* the truth's outer ends, as far as a request saw them */
			if (reckoned[first].hit && reckoned[last].hit &&
				(length < mine->min_ns || length > mine->max_ns))
				fail_msg("seed %llu: %lld not in [%lld, %lld]",
					(unsigned long long)seed, (long long)length,
					(long long)mine->min_ns, (long long)mine->max_ns);
			if (w.ideal && mine->max_ns - mine->min_ns > 2 * w.period)
				fail_msg("seed %llu: bounds are wider than two periods",
					(unsigned long long)seed);
		} else if (mine->max_ns != INT64_MAX) {
			fail_msg("seed %llu: not said to be censored", (unsigned long long)seed);
		}
	}
}

static void truth_lies_within_the_bounds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5000; seed++)
		check_timeline(seed);
}

/* ---- attribution ---- */

static struct outage outage_at(int64_t ok_before, int64_t begin, int64_t first_done)
{
	return (struct outage){ .due_ns = begin,
		.begin_ns = begin,
		.ok_before_ns = ok_before,
		.ok_behind_ns = begin + 3 * S,
		.last_sent_ns = begin + 2 * S,
		.last_done_ns = begin + 2 * S + 10 * MS,
		.first_done_ns = first_done,
		.first_sent = true,
		.outcome = OUTCOME_REFUSED };
}

static struct blame blame(struct outage o, struct span *spans, size_t n)
{
	struct blame b;

	spans_prepare(spans, n);
	blame_outage(&o, spans, n, NULL, 0, &b);
	return b;
}

static void one_bite_in_force_is_the_cause(void **state)
{
	struct span spans[] = { { .sent_ns = 10 * S, .end_ns = 18 * S, .bite = 4 },
		{ .sent_ns = 30 * S, .end_ns = 38 * S, .bite = 5 } };
	struct blame b = blame(outage_at(10 * S, 10100 * MS, 10101 * MS), spans, 2);

	(void)state;
	assert_int_equal(b.class, BLAME_CAUSED);
	assert_int_equal(b.n_bites, 1);
	assert_int_equal(b.bites[0], 4);
	b = blame(outage_at(20 * S, 20100 * MS, 20101 * MS), spans, 2);
	assert_int_equal(b.class, BLAME_UNATTRIBUTED);
	assert_int_equal(b.n_bites, 0);
	b = blame(outage_at(5 * S, 5100 * MS, 5101 * MS), spans, 2);
	assert_int_equal(b.class, BLAME_PRE_EXISTING);
}

/* A request that was under way when the pod was killed was sent before the bite. */
static void the_first_bad_request_may_be_older_than_the_bite(void **state)
{
	struct span spans[] = { { .sent_ns = 10 * S, .end_ns = 18 * S, .bite = 4 } };
	struct blame b = blame(outage_at(9800 * MS, 9900 * MS, 10050 * MS), spans, 1);

	(void)state;
	assert_int_equal(b.class, BLAME_CAUSED);
	b = blame(outage_at(9700 * MS, 9800 * MS, 9990 * MS), spans, 1);
	assert_int_equal(b.class, BLAME_PRE_EXISTING);
}

static void several_in_force_are_ambiguous_unless_survived(void **state)
{
	struct span spans[] = { { .sent_ns = 10 * S, .end_ns = 25 * S, .bite = 1 },
		{ .sent_ns = 14 * S, .end_ns = 25 * S, .bite = 2 } };
	struct blame b = blame(outage_at(14 * S, 14100 * MS, 14101 * MS), spans, 2);

	(void)state;
	assert_int_equal(b.class, BLAME_CAUSED); /* bite 1 was survived for four seconds */
	assert_int_equal(b.bites[0], 2);
	assert_int_equal(b.in_force, 2);

	b = blame(outage_at(17 * S, 17100 * MS, 17101 * MS), spans, 2);
	assert_int_equal(b.class, BLAME_AMBIGUOUS); /* the newest is three seconds old */
	assert_int_equal(b.n_bites, 2);

	spans[1].sent_ns = 11 * S;
	b = blame(outage_at(11 * S, 11100 * MS, 11101 * MS), spans, 2);
	assert_int_equal(b.class, BLAME_AMBIGUOUS); /* bite 1 was not survived for two seconds */
}

/* Sent before the newest bite: broken by it if it failed soon after, but a timeout says nothing. */
static void a_timeout_does_not_point_at_the_newest(void **state)
{
	struct span spans[] = { { .sent_ns = 10 * S, .end_ns = 25 * S, .bite = 1 },
		{ .sent_ns = 14 * S, .end_ns = 25 * S, .bite = 2 } };
	struct outage o = outage_at(13800 * MS, 13900 * MS, 14500 * MS);

	(void)state;
	assert_int_equal(blame(o, spans, 2).class, BLAME_CAUSED);
	o.outcome = OUTCOME_TIMEOUT;
	assert_int_equal(blame(o, spans, 2).class, BLAME_AMBIGUOUS);
}

static void what_goes_on_after_all_is_healed_is_residual(void **state)
{
	struct span spans[] = { { .sent_ns = 10 * S, .end_ns = 12 * S, .bite = 1 } };
	struct outage o = outage_at(10 * S, 10100 * MS, 10101 * MS);
	struct blame b;

	(void)state;
	o.last_sent_ns = 11900 * MS;
	o.last_done_ns = 11910 * MS;
	assert_int_equal(blame(o, spans, 1).class, BLAME_CAUSED);
	o.last_sent_ns = 15 * S;
	o.last_done_ns = 15010 * MS;
	b = blame(o, spans, 1);
	assert_int_equal(b.class, BLAME_RESIDUAL);
	assert_int_equal(b.n_bites, 1);
	spans[0].end_ns = INT64_MAX; /* never came back: it is no residue */
	assert_int_equal(blame(o, spans, 1).class, BLAME_CAUSED);
}

static void a_failing_control_probe_blames_the_observer(void **state)
{
	struct span spans[] = { { .sent_ns = 10 * S, .end_ns = 25 * S, .bite = 1 } };
	struct bad_time control[] = { { 1 * S, 2 * S }, { 11 * S, 11500 * MS } };
	struct outage o = outage_at(10 * S, 10100 * MS, 10101 * MS);
	struct blame b;

	(void)state;
	spans_prepare(spans, 1);
	blame_outage(&o, spans, 1, control, 2, &b);
	assert_int_equal(b.class, BLAME_OBSERVER);
	blame_outage(&o, spans, 1, control, 1, &b);
	assert_int_equal(b.class, BLAME_CAUSED);
	control[1] = (struct bad_time){ 13 * S, 14 * S };
	blame_outage(&o, spans, 1, control, 2, &b);
	assert_int_equal(b.class, BLAME_CAUSED);
}

static void a_bite_without_end_stays_in_force(void **state)
{
	struct span spans[] = { { .sent_ns = 10 * S, .end_ns = INT64_MAX, .bite = 1 },
		{ .sent_ns = 20 * S, .end_ns = 28 * S, .bite = 2 },
		{ .sent_ns = 40 * S, .end_ns = 48 * S, .bite = 3 } };
	struct blame b = blame(outage_at(60 * S, 60100 * MS, 60101 * MS), spans, 3);

	(void)state;
	assert_int_equal(b.n_bites, 1);
	assert_int_equal(b.bites[0], 1);
	assert_true(spans_meet(spans, 3, 70 * S, 71 * S));
	spans[0].end_ns = 18 * S;
	spans_prepare(spans, 3);
	assert_false(spans_meet(spans, 3, 70 * S, 71 * S));
	assert_false(spans_meet(spans, 3, 29 * S, 39 * S));
	assert_true(spans_meet(spans, 3, 28 * S, 39 * S));
	assert_true(spans_meet(spans, 3, 29 * S, 40 * S));
	assert_false(spans_meet(spans, 3, 0, 9 * S));
}

/* ---- tallies ---- */

static void tallies_merge(void **state)
{
	static struct tally a, b;
	struct outage o = outage_at(10 * S, 10100 * MS, 10101 * MS);
	struct blame caused = { .class = BLAME_CAUSED }, observer = { .class = BLAME_OBSERVER };
	struct sample s = { .done_us = 1000 };

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	tally_sample(&a, &s);
	s.outcome = OUTCOME_RESET;
	tally_sample(&b, &s);
	s.outcome = OUTCOME_MISSED;
	tally_sample(&b, &s);
	o.min_ns = S;
	o.max_ns = 3 * S;
	o.bad = 5;
	tally_outage(&a, &o, &caused);
	o.min_ns = 4 * S;
	o.max_ns = 6 * S;
	tally_outage(&b, &o, &observer);
	tally_merge(&a, &b);
	assert_int_equal(a.ok, 1);
	assert_int_equal(a.bad, 1);
	assert_int_equal(a.missed, 1);
	assert_int_equal(a.outages.n, 2);
	assert_true(a.outages.longest_mid_ns == 5 * S && a.outages.sum_mid_ns == 7 * S);
	assert_int_equal(a.unobserved.n, 1);
	assert_true(a.unobserved.longest_mid_ns == 2 * S);
	assert_true(a.worst_unobserved && a.worst.min_ns == S); /* the service's is told */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_within_one_percent),
		cmocka_unit_test(the_largest_values_have_buckets),
		cmocka_unit_test(merged_is_as_if_all_were_added_to_one),
		cmocka_unit_test(bounds_come_from_what_was_sent),
		cmocka_unit_test(one_bad_sample_is_an_outage),
		cmocka_unit_test(all_ok_is_none),
		cmocka_unit_test(unsent_counts_but_is_no_end_point),
		cmocka_unit_test(missed_lost_and_cancelled_are_passed_over),
		cmocka_unit_test(ends_without_a_neighbour_are_censored),
		cmocka_unit_test(flapping_is_joined_when_asked),
		cmocka_unit_test(truth_lies_within_the_bounds),
		cmocka_unit_test(one_bite_in_force_is_the_cause),
		cmocka_unit_test(the_first_bad_request_may_be_older_than_the_bite),
		cmocka_unit_test(several_in_force_are_ambiguous_unless_survived),
		cmocka_unit_test(a_timeout_does_not_point_at_the_newest),
		cmocka_unit_test(what_goes_on_after_all_is_healed_is_residual),
		cmocka_unit_test(a_failing_control_probe_blames_the_observer),
		cmocka_unit_test(a_bite_without_end_stays_in_force),
		cmocka_unit_test(tallies_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
