/* The report as a file: pages of sweeps that were never run are well formed and need nothing beside themselves; what
 * fails leaves the earlier file.
 *
 *     test_report --write FOLDER     writes each page, for test_report.py
 *
 * Without gnuplot in PATH all is skipped. */
#include "base/context.h"
#include "base/format.h"
#include "base/text.h" /* before check.h, which has a macro of the name fail */
#include "lab/advice/reason.h"
#include "lab/report/gnuplot.h"
#include "lab/report/plot_scale.h"
#include "lab/report/plots.h"
#include "lab/report/report.h"

#include "sweeps.h"

#include "support.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

/* A page is read once: tags nest, attributes are quoted, ids are met once, nothing points out of it ---------------- */

enum { DEPTH = 64, NAMES = 8192, NAME = 96 };

typedef struct reader {
    const char *page, *at;
    char open[DEPTH][NAME];
    int depth, ids, uses;
    char id[NAMES][NAME], use[NAMES][NAME]; /* defined; pointed to */
    int pictures, labels, tags;
} reader;

static bool begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

static void broken(const reader *r, const char *what)
{
    ck_abort_msg("%s at byte %ld: %.120s", what, (long)(r->at - r->page), r->at);
}

static void take_name(reader *r, char name[NAME], const char *stop)
{
    const size_t length = strcspn(r->at, stop);
    if (!length || length >= NAME) broken(r, "a name that is empty or too long");
    memcpy(name, r->at, length);
    name[length] = 0;
    r->at += length;
}

static void check_entity(reader *r)
{
    const size_t length = strspn(r->at + 1, "#abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    if (!length || length > 8 || r->at[1 + length] != ';') broken(r, "an & that is no entity");
}

static void keep(reader *r, char list[NAMES][NAME], int *count, const char *text, size_t length)
{
    ck_assert_int_lt(*count, NAMES);
    if (length >= NAME) broken(r, "an id that is too long");
    memcpy(list[*count], text, length);
    list[(*count)++][length] = 0;
}

static void check_attribute(reader *r, const char *tag, const char *name, const char *value, size_t length)
{
    const bool href = !strcmp(name, "href") || !strcmp(name, "xlink:href");
    if (!strcmp(name, "id")) keep(r, r->id, &r->ids, value, length);
    if (!strcmp(name, "src") || !strcmp(name, "srcset") || begins(name, "on")) broken(r, "a file or a script");
    if (href && *value != '#') broken(r, "a link out of the page");
    if (href) keep(r, r->use, &r->uses, value + 1, length - 1);
    if (begins(value, "url(#"))
        keep(r, r->use, &r->uses, value + 5, length - 6);
    else if (memmem(value, length, "url(", 4))
        broken(r, "a link out of the page");
    if (!begins(name, "xmlns") && (memmem(value, length, "http:", 5) || memmem(value, length, "https:", 6)))
        broken(r, "an address");
    if (!strcmp(tag, "svg") && !strcmp(name, "aria-label") && length) r->labels++;
}

static void read_attributes(reader *r, const char *tag)
{
    char seen[32][NAME];
    for (int count = 0;; count++) {
        r->at += strspn(r->at, " \t\r\n");
        if (*r->at == '>' || begins(r->at, "/>")) return;
        ck_assert_int_lt(count, 32);
        take_name(r, seen[count], "= \t\r\n<>/\"'");
        for (int i = 0; i < count; i++)
            if (!strcmp(seen[i], seen[count])) broken(r, "an attribute twice");
        if (!begins(r->at, "=\"")) broken(r, "an attribute without a quoted value");
        const char *value = r->at += 2;
        for (; *r->at != '"'; r->at++) {
            if (!*r->at || *r->at == '<') broken(r, "a value that does not end");
            if (*r->at == '&') check_entity(r);
        }
        check_attribute(r, tag, seen[count], value, (size_t)(r->at++ - value));
    }
}

static void open_tag(reader *r)
{
    char tag[NAME];
    static const char *const barred[] = {"script", "link", "img", "iframe", "object", "embed", "base"};
    r->at++;
    take_name(r, tag, " \t\r\n/><");
    for (size_t i = 0; i < sizeof barred / sizeof *barred; i++)
        if (!strcmp(tag, barred[i])) broken(r, "a tag that the page needs not");
    read_attributes(r, tag);
    r->tags++;
    r->pictures += !strcmp(tag, "svg");
    if (*r->at == '/') {
        r->at += 2; /* an SVG's own */
    } else {
        r->at++;
        if (strcmp(tag, "meta") && strcmp(tag, "br") && strcmp(tag, "hr")) {
            ck_assert_int_lt(r->depth, DEPTH);
            strcpy(r->open[r->depth++], tag);
        }
    }
    if (!strcmp(tag, "style")) {
        const char *end = strstr(r->at, "</style>");
        ck_assert_ptr_nonnull(end);
        for (; r->at < end; r->at++)
            if (begins(r->at, "url(") || begins(r->at, "@import") || *r->at == '<')
                broken(r, "a style that points out");
    }
}

static void close_tag(reader *r)
{
    char tag[NAME];
    r->at += 2;
    take_name(r, tag, " \t\r\n/><");
    if (!r->depth || strcmp(r->open[r->depth - 1], tag)) broken(r, "a tag that closes none");
    r->depth--;
    if (*r->at++ != '>') broken(r, "a closing tag with more in it");
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static void check_ids(reader *r)
{
    qsort(r->id, (size_t)r->ids, NAME, by_name);
    for (int i = 1; i < r->ids; i++) ck_assert_msg(strcmp(r->id[i - 1], r->id[i]), "the id %s is met twice", r->id[i]);
    for (int i = 0; i < r->uses; i++)
        ck_assert_msg(bsearch(r->use[i], r->id, (size_t)r->ids, NAME, by_name), "nothing has the id %s", r->use[i]);
}

/* No more than HTML wants, but for its leniency. Answers how many pictures there are. */
static int check_page(const char *page)
{
    static reader r;
    memset(&r, 0, sizeof r);
    r.page = r.at = page;
    ck_assert_msg(begins(page, "<!DOCTYPE html>"), "%.80s", page);
    r.at += strlen("<!DOCTYPE html>");
    while (*r.at) {
        if (begins(r.at, "</"))
            close_tag(&r);
        else if (*r.at == '<')
            open_tag(&r);
        else if (*r.at == '>')
            broken(&r, "a > in a text");
        else {
            const int length = text_character_bytes(r.at);
            if (*r.at == '&') check_entity(&r);
            if (!length) broken(&r, "no UTF-8");
            r.at += length;
        }
    }
    ck_assert_msg(r.depth == 0, "<%s> is not closed", r.depth ? r.open[r.depth - 1] : "");
    ck_assert_int_gt(r.tags, 100);
    ck_assert_int_eq(r.pictures, r.labels);
    check_ids(&r);
    return r.pictures;
}

static int count_of(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) count++;
    return count;
}

/* Pages ------------------------------------------------------------------------------------------------------------ */

static char folder[] = "/tmp/tassello-report-XXXXXX", file[64];

static void open_folder(void)
{
    support_open();
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/report.html", folder);
}

static void close_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "PATH=/bin:/usr/bin; chmod -R u+w %s; rm -rf %s", folder, folder);
    ck_assert_int_eq(system(command), 0);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    support_close();
}

static char *page_of(const char *name)
{
    buffer page = {0};
    tas_sweep *s = sweep_made(context, name);
    expect(report_page(s, &page), TAS_OK, "", "");
    sweep_freed(s);
    return page.text;
}

START_TEST(pages_are_well_formed)
{
    static const int pictures[] = {19, 0, 1, 19, 12, 19, 19, 19, 19},
                     missing[] = {0, 11, 10, 0, 3, 0, 0, 0, 0}; /* of NaN alone the memory is known */
    char *page = page_of(sweep_fixtures[_i].name);
    ck_assert_int_eq(check_page(page), pictures[_i]);
    ck_assert_int_eq(count_of(page, "No plot: "), missing[_i]);
    ck_assert_int_eq(count_of(page, "<span class=\"claim\">"), 11);
    ck_assert_int_eq(count_of(page, "<h1>"), 1);
    static const char *const slips[] = {">nan", " nan", "-nan", ">inf", " inf ", "(null)", "%%", " %.", " %s"};
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++)
        ck_assert_msg(!strstr(page, slips[i]), "%.200s", strstr(page, slips[i]));
    free(page);
}
END_TEST

START_TEST(names_are_escaped)
{
    char *page = page_of("names");
    ck_assert_ptr_null(strstr(page, "<b>&"));
    ck_assert_ptr_null(strstr(page, "bold</b>"));
    ck_assert_ptr_nonnull(strstr(page, "<strong>a&lt;b&gt;&amp;&quot;c&#39;&quot; $(exit 3).net</strong>"));
    ck_assert_ptr_nonnull(strstr(page, "<title>Batch size of a&lt;b&gt;"));
    ck_assert_ptr_nonnull(strstr(page, "&#xfffd;&#xfffd;(/da ta/&lt;script&gt;alert(1)&lt;/script&gt;&#xfffd;"));
    ck_assert_ptr_nonnull(strstr(page, "x&quot;&gt;&lt;i&gt;&amp;"));
    ck_assert_ptr_nonnull(strstr(page, "card &lt;0&gt; &quot;&amp;amp;&quot; &#xfffd;"));
    ck_assert_int_eq(count_of(page, "&lt;/p&gt;&lt;b&gt;bold&lt;/b&gt;"),
                     5); /* target, reason, why; target and reason again */
    free(page);
}
END_TEST

/* What stands between <code> and </code>, as text: of a page in which nothing in it is escaped. */
static char *command_of(const char *page)
{
    const char *at = strstr(page, "<code>"), *end = strstr(page, "</code>");
    ck_assert(at && end && end < strstr(page, "<dl class=\"cards\">"));
    char *text = calloc(1, (size_t)(end - at)), *to = text;
    for (at += strlen("<code>"); at < end; at++)
        if (*at == '<')
            at = strchr(at, '>');
        else
            *to++ = *at;
    return text;
}

/* What the first screen must not be without, of the recommendation's own figures. */
START_TEST(the_recommendation_comes_first)
{
    char *page = page_of("plausible"), head[128];
    tas_sweep *s = sweep_made(context, "plausible");
    const char *cards = strstr(page, "<dl class=\"cards\">"), *plots = strstr(page, "<svg");
    ck_assert(s->advice.decided != DECIDED_DEFAULT && cards && plots && cards < plots);
    snprintf(head, sizeof head, "batch %d, learning rate ", (int)s->advice.batch);
    ck_assert_ptr_nonnull(strstr(page, head));
    char *text = command_of(page), *command = tas_sweep_command(s);
    ck_assert_str_eq(text, command); /* as it is copied, tags and all else left out */
    free(text);
    free(command);
    static const char *const words[] = {"Time to the target",  "Deciding factor", "Within 5",
                                        "Half, B = ",          "Double, B = ",    "Confidence",
                                        "Check of the command"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = strstr(cards, words[i]);
        ck_assert_msg(at && at < plots, "%s", words[i]);
    }
    ck_assert_ptr_nonnull(strstr(page, "A shallow target.</strong> At its rate in the table, B = 64 reaches it after "
                                       "0.600 epochs; the best loss it was seen to reach, 0.430, is 4.44&nbsp;% "
                                       "lower."));
    ck_assert_int_eq(count_of(page, "; fell short</span>"), 1);
    ck_assert_int_eq(count_of(page, "; as promised</span>"), 1);
    ck_assert_int_eq(count_of(page, "The critical batch at example 24576 is not known: the loss does not fall by more "
                                    "than chance."),
                     1);
    free(page);
    page = page_of("unknown");
    ck_assert_ptr_null(strstr(page, "<code>"));
    ck_assert_ptr_nonnull(strstr(page, "<h1>No batch to recommend yet</h1>"));
    ck_assert_ptr_nonnull(strstr(page, "The sweep was stopped"));
    ck_assert_int_eq(count_of(page, ": short of time."), s->count);
    ck_assert_ptr_nonnull(strstr(page, "Time was short: left out the test at B = 4 &amp; 16."));
    free(page);
    page = page_of("unreached");
    ck_assert_ptr_nonnull(strstr(page, "the nearest was 0.474, at B = 32"));
    free(page);
    page = page_of("diverged");
    ck_assert_ptr_nonnull(strstr(page, "<strong>B = 1024</strong> diverged: the loss was not finite at step 12"));
    ck_assert_ptr_nonnull(strstr(page, "1 of 3 seeds diverged"));
    free(page);
    sweep_freed(s);
}
END_TEST

/* The card has the words of the reason, not another number for the same fact. */
START_TEST(the_knee_is_that_of_the_reason)
{
    tas_sweep *s = sweep_made(context, "plausible");
    char *page = page_of("plausible"), knee[128];
    ck_assert_int_eq(s->advice.decided, DECIDED_SPEED);
    ck_assert(*reason_knee(&s->advice, knee, sizeof knee) && strstr(s->reason, knee));
    const char *at = strstr(page, "the time is shortest near a batch of ");
    ck_assert(at && !strncmp(at + strlen("the time is shortest "), knee, strlen(knee)));
    s->advice.knee_high = INFINITY;
    ck_assert(!strncmp(reason_knee(&s->advice, knee, sizeof knee), "at a batch of at least ", 23));
    s->advice.knee_low = 0;
    ck_assert_str_eq(reason_knee(&s->advice, knee, sizeof knee), "");
    free(page);
    sweep_freed(s);
}
END_TEST

START_TEST(a_gap_is_on_the_first_screen)
{
    buffer page = {0};
    tas_sweep *s = sweep_made(context, "plausible");
    s->advice.measure = s->advice.twice.batch = 2 * s->advice.batch;
    s->advice.twice.verdict = VERDICT_NOT_MEASURED;
    s->advice.twice.seconds = 0.845;
    expect(report_page(s, &page), TAS_OK, "", "");
    ck_assert_ptr_nonnull(strstr(page.text, "measure 128"));
    ck_assert_ptr_nonnull(strstr(page.text, "0.845&times;</b> the time, "));
    ck_assert_ptr_nonnull(strstr(page.text, " <span>not measured</span>"));
    ck_assert_ptr_nonnull(strstr(page.text, "of those measured"));
    free(page.text);
    sweep_freed(s);
}
END_TEST

static const char *option_of(const char *command, const char *name)
{
    const char *at = strstr(command, name);
    return at ? at + strlen(name) : NULL;
}

/* What `train` makes of the command: its options pass, and the rate at a step is that of the sweep's runs. */
static void expect_trains(tas_sweep *s, const char *word)
{
    tas_train_options options, swept = s->options.train;
    const uint64_t batch = s->advice.batch, an_epoch = (s->examples - 1) / batch + 1,
                   all = (uint64_t)s->options.epochs * an_epoch;
    char *command = tas_sweep_command(s);
    const char *steps = option_of(command, " --steps "), *epochs = option_of(command, " --epochs "),
               *warmup = option_of(command, " --warmup "), *decay = option_of(command, " --decay-steps ");
    ck_assert_msg(strstr(command, word) && !strstr(command, "--warmup 0"), "no '%s': %s", word, command);
    tas_train_options_init(&options);
    options.batch = (uint32_t)batch;
    options.lr = swept.lr = (float)s->advice.lr;
    options.schedule = swept.schedule;
    options.decay = swept.decay;
    if (warmup) options.warmup = strtoull(warmup, NULL, 10);
    if (decay) options.decay_steps = strtoull(decay, NULL, 10);
    const uint64_t count = steps ? strtoull(steps, NULL, 10) : (epochs ? strtoull(epochs, NULL, 10) : 1) * an_epoch;
    const double k = (double)swept.base_batch / (double)batch; /* as trial_options() has it */
    swept.warmup = (uint64_t)llround((double)swept.warmup * k);
    if (swept.warmup > all) swept.warmup = all;
    if (swept.decay_steps) swept.decay_steps = (uint64_t)fmax(1, round((double)swept.decay_steps * k));
    for (uint64_t step = 0; step < 2 * an_epoch && step < count; step++) {
        float found, wanted;
        expect(tas_train_lr(context, &options, step, count, &found), TAS_OK, "", "");
        expect(tas_train_lr(context, &swept, step, all, &wanted), TAS_OK, "", "");
        ck_assert_msg(found == wanted, "step %d: %g, in the sweep %g: %s", (int)step, (double)found, (double)wanted,
                      command);
    }
    free(command);
}

/* The target is reached in about an epoch, of 8. */
START_TEST(the_command_trains_as_the_sweep_did)
{
    tas_sweep *s = sweep_made(context, "plausible");
    tas_train_options *t = &s->options.train;
    s->options.epochs = 8;
    expect_trains(s, " --epochs ");
    t->warmup = 5;
    expect_trains(s, " --warmup ");
    t->warmup = 1000000; /* longer than any run: all of it */
    expect_trains(s, " --steps ");
    t->warmup = 3 * (s->examples / 64); /* longer than the command's epochs, and within the sweep's */
    expect_trains(s, " --steps ");
    t->base_batch = 1; /* less than half a step */
    t->warmup = s->advice.batch / 4;
    expect_trains(s, " --batch ");
    t->base_batch = 64;
    t->warmup = 20;
    t->schedule = TAS_SCHEDULE_STEP;
    t->decay_steps = 30;
    expect_trains(s, " --decay-steps ");
    t->warmup = 1000000;
    expect_trains(s, " --steps ");
    t->schedule = TAS_SCHEDULE_COSINE;
    t->warmup = 20;
    expect_trains(s, " --steps ");
    t->warmup = 1000000;
    expect_trains(s, " --steps ");
    sweep_freed(s);
}
END_TEST

/* Spreads of geometric means are shares: in log they would be told wrong. */
START_TEST(the_table_tells_spreads_alike)
{
    char *page = page_of("plausible");
    const char *table = strstr(page, "<table class=\"batches\">"), *end = strstr(table, "</table>");
    char *copy = strndup(table, (size_t)(end - table));
    ck_assert_int_eq(count_of(copy, "<small>&plusmn;11&nbsp;%</small>"), 3 * 8); /* steps, epochs, time */
    ck_assert_int_eq(count_of(copy, "&plusmn;0.100"), 0);
    ck_assert_int_eq(count_of(copy, "<tr"), 9);
    ck_assert_int_eq(count_of(copy, "recommended"), 1);
    ck_assert_int_eq(count_of(copy, "class=\"best\""), 1);
    free(copy);
    free(page);
}
END_TEST

/* Each row has its own figures; the deepest is last. */
START_TEST(every_target_has_a_row)
{
    char *page = page_of("plausible"), row[128];
    tas_sweep *s = sweep_made(context, "plausible");
    const char *table = strstr(page, "<section id=\"levels\">"), *end = strstr(table, "</section>");
    char *copy = strndup(table, (size_t)(end - table));
    ck_assert_int_eq(count_of(copy, "<tr"), (1 + s->levels) * 4); /* one table of targets, three of all batches */
    const char *last = copy;
    for (int k = 0; k < s->levels; k++) {
        const sweep_level *l = &s->level[k];
        snprintf(row, sizeof row, "<th scope=\"row\">%s</th><td>%s</td><td><strong>%d</strong>",
                 format_number(l->target).text, format_number(l->epochs).text, (int)s->batch[l->best].batch);
        const char *at = strstr(copy, row);
        ck_assert_msg(at && at > last, "%s", row);
        last = at;
    }
    ck_assert_ptr_nonnull(strstr(last, "the target</td>"));
    ck_assert_int_eq(count_of(copy, "the target</td>"), 1);
    ck_assert_int_eq(count_of(copy, "shallow</td>"), s->levels - 1);
    free(copy);
    free(page);
    sweep_freed(s);
}
END_TEST

/* By measured rows alone: the smaller batch, or none. */
/* If they were asked for; and the sentence is part of the reason. */
START_TEST(devices_have_a_row)
{
    char *page = page_of("devices"), *other = page_of("plausible"), row[128];
    tas_sweep *s = sweep_made(context, "devices");
    const char *table = strstr(page, "<section id=\"devices\">");
    ck_assert(table && !strstr(other, "id=\"devices\""));
    char *copy = strndup(table, (size_t)(strstr(table, "</section>") - table));
    ck_assert_int_eq(s->on_devices, 4);
    ck_assert_int_eq(count_of(copy, "<tr"), 1 + s->on_devices);
    for (int i = 0; i < s->on_devices; i++) {
        const devices_row *d = &s->on_device[i];
        snprintf(row, sizeof row, "<th scope=\"row\">%u</th><td><strong>%d</strong></td><td>%s</td>", d->devices,
                 (int)d->batch, format_seconds(d->seconds).text);
        ck_assert_msg(strstr(copy, row) != NULL, "%s", row);
    }
    ck_assert(count_of(copy, "above the critical batch") >= 1 && s->on_device[3].wasted && !s->on_device[0].wasted);
    ck_assert(s->on_device[3].knee > 2.8 * s->on_device[0].knee);
    ck_assert(strstr(s->reason, "On 8 devices: batch ") && strstr(page, "On 8 devices: batch "));
    free(copy);
    free(page);
    free(other);
    sweep_freed(s);
}
END_TEST

START_TEST(tiles_pay_or_do_not)
{
    tas_sweep *s = sweep_made(context, "plausible");
    buffer page = {0};
    tiles_write(s, &page);
    ck_assert_ptr_nonnull(strstr(page.text, "From B = 1024 on, a batch is computed in tiles (4 at B = 1024)"));
    ck_assert_ptr_nonnull(
        strstr(page.text, "and B = 128 takes 504 ms (measured): the smaller batch is the better choice"));
    page.bytes = 0;
    s->batch[7].seconds.value = 0.4;
    tiles_write(s, &page);
    ck_assert_ptr_nonnull(strstr(page.text, "tiles pay there, 1.26 times as fast"));
    page.bytes = 0;
    s->batch[7].seconds.value = 0.51;
    tiles_write(s, &page);
    ck_assert_ptr_nonnull(strstr(page.text, "no difference of 5 % or more"));
    page.bytes = 0;
    s->batch[7].step_seconds = 0;
    tiles_write(s, &page);
    ck_assert_ptr_nonnull(strstr(page.text, "the largest, B = 256, is computed whole. The plan would divide batches "
                                            "from B = 1024 on"));
    free(page.text);
    sweep_freed(s);
}
END_TEST

/* Plots ------------------------------------------------------------------------------------------------------------ */

static const char *picture_of(const char *page, const char *name, const char **end)
{
    char label[128];
    snprintf(label, sizeof label, "<svg role=\"img\" aria-label=\"%s", name);
    const char *at = strstr(page, label);
    ck_assert_msg(at, "no picture of %s", name);
    *end = strstr(at, "</svg>");
    return at;
}

/* One text under the pointer for each measured point, beside the picture's own title; none is cut off at the edge. */
START_TEST(each_measured_point_is_drawn_and_named)
{
    static const struct {
        const char *picture;
        int points;
        const char *text;
    } all[] = {
        {"Time to the target by batch size", 8, "<title>B = 1024, measured: 1.98 ("},
        {"Variance of the gradient by batch size", 3 * 8, "<title>B = 16, start: "},
        {"Cosine to the full gradient by batch size", 3 * 8, "<title>B = 1024, start: "},
        {"Standard deviation of the batch", 3 * 8, "<title>B = 16, start: "},
        {"Examples against steps", 4 * 8, "<title>loss 0.450, B = 64, examples to the target: "},
        {"Validation loss by batch size", 3 * 8, "<title>B = 1, best of a run: 0.420 ("},
        {"Examples to the target of the search", 5 * 7 + 5, "<title>diverged, B = 64; learning rate: 0.665"},
        {"The critical batch over training", 5 + 5 + 11, "<title>critical batch, by branches, examples: at least 128"},
        {"Fixed batches against a growing one", 3 * 8, "<title>B = 1, seconds: "},
    };
    char *page = page_of("plausible");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *end, *at = picture_of(page, all[i].picture, &end);
        char *copy = strndup(at, (size_t)(end - at));
        ck_assert_msg(count_of(copy, "<title>") == 1 + all[i].points, "%s: %d texts", all[i].picture,
                      count_of(copy, "<title>") - 1);
        ck_assert_msg(strstr(copy, all[i].text), "%s: no '%s'", all[i].picture, all[i].text);
        free(copy);
    }
    free(page);
}
END_TEST

/* Marks of several series share the place of their batch, and all are within the frame. */
START_TEST(points_stand_on_their_batch)
{
    static const char *const all[] = {"Variance of the gradient", "Validation loss by batch size", "Device memory"};
    char *page = page_of("plausible");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *end, *at = picture_of(page, all[i], &end);
        double places[64];
        int count = 0, points = 0;
        at = strstr(at, "<title>") + 1; /* the picture's own */
        for (; (at = strstr(at, "<title>B = ")) && at < end; at++, points++) {
            double x, y;
            ck_assert_int_eq(sscanf(strstr(at, "translate("), "translate(%lf,%lf)", &x, &y), 2);
            ck_assert_msg(x > 0 && x < 480 && y > 0 && y < 300, "%s: a point at %g, %g", all[i], x, y);
            int k = 0;
            while (k < count && fabs(places[k] - x) > 0.02) k++;
            if (k == count && count < 64) places[count++] = x;
        }
        ck_assert_msg(count == 8 && points >= 2 * 8, "%s: %d points at %d places", all[i], points, count);
    }
    free(page);
}
END_TEST

/* What is far apart is shown by logarithms, what is not as it is; figures that may be negative always are. */
START_TEST(scales_show_the_differences)
{
    static plot p;
    memset(&p, 0, sizeof p);
    p.batches = true;
    plot_series *s = plot_add(&p, PLOT_MARKS, 0, "measured");
    plot_point(s, 16, 0.42, 0.3, 0.9);
    plot_point(s, 64, 0.43, 0.42, 0.44);
    plot_scale y = plot_scale_y(&p);
    ck_assert(!y.log && y.low > 0.3 && y.low < 0.42 && y.high > 0.44 && y.high < 0.6);
    plot_point(s, 256, 43, NAN, NAN);
    y = plot_scale_y(&p);
    ck_assert(y.log && y.high > 43 && y.low < 0.42);
    p.signs = true;
    ck_assert(!plot_scale_y(&p).log);
    const plot_scale x = plot_scale_x(&p);
    ck_assert(x.log && x.low < 16 && x.high > 256);
    buffer tics = {0};
    plot_scale_batches(&tics, &p, &x);
    ck_assert_str_eq(tics.text, "'16' 16, '64' 64, '256' 256");
    free(tics.text);
}
END_TEST

START_TEST(the_legend_names_band_and_line)
{
    tas_sweep *s = sweep_made(context, "plausible");
    static plot p;
    memset(&p, 0, sizeof p);
    buffer page = {0};
    s->advice.range_low = 32;
    s->advice.range_high = 128;
    plots_time(s, &p);
    plot_legend(&p, &page);
    ck_assert_ptr_nonnull(strstr(page.text, "</i>recommended range: 32 to 128</span>"));
    ck_assert_ptr_nonnull(strstr(page.text, "</i>recommended: B = 64</span>"));
    free(page.text);
    sweep_freed(s);
}
END_TEST

/* Files ------------------------------------------------------------------------------------------------------------ */

static void put_earlier(void)
{
    FILE *out = fopen(file, "w");
    ck_assert(out && fputs("earlier", out) >= 0 && !fclose(out));
}

/* The earlier report stands there as it was, and nothing else. */
static void expect_earlier(void)
{
    char text[16] = "";
    FILE *in = fopen(file, "r");
    ck_assert_ptr_nonnull(in);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, in));
    fclose(in);
    ck_assert_str_eq(text, "earlier");
    DIR *all = opendir(folder);
    for (struct dirent *one; (one = readdir(all));)
        ck_assert_msg(*one->d_name == '.' || !strcmp(one->d_name, "report.html"), "%s was left behind", one->d_name);
    closedir(all);
}

static tas_sweep *earlier_and_sweep(void)
{
    put_earlier();
    return sweep_made(context, "plausible");
}

START_TEST(a_report_is_a_file)
{
    tas_sweep *s = earlier_and_sweep();
    expect(tas_report_check(context, file), TAS_OK, "", "");
    expect_earlier();
    expect(tas_sweep_report(s, file), TAS_OK, "", "");
    static char text[4 << 20];
    FILE *in = fopen(file, "r");
    const size_t bytes = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[bytes] = 0;
    ck_assert_int_eq(check_page(text), 19);
    sweep_freed(s);
}
END_TEST

START_TEST(without_gnuplot_the_file_stands)
{
    tas_sweep *s = earlier_and_sweep();
    setenv("PATH", "/nowhere", 1);
    expect(tas_report_check(context, file), TAS_BAD_FILE, "gnuplot was not found in PATH", "apt install gnuplot-nox");
    expect(tas_sweep_report(s, file), TAS_BAD_FILE, "gnuplot was not found in PATH", "apt install gnuplot-nox");
    expect_earlier();
    ck_assert_int_eq(unlink(file), 0);
    expect(tas_sweep_report(s, file), TAS_BAD_FILE, "gnuplot was not found", "");
    ck_assert_int_ne(access(file, F_OK), 0);
    sweep_freed(s);
}
END_TEST

/* A program of that name in a folder of its own, that does as it is told. */
static void put_gnuplot(const char *what_it_does)
{
    char name[128], path[256];
    snprintf(name, sizeof name, "%s/.bin", folder);
    mkdir(name, 0777);
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", name);
    setenv("PATH", path, 1);
    snprintf(name, sizeof name, "%s/.bin/gnuplot", folder);
    FILE *out = fopen(name, "w");
    fprintf(out, "#!/bin/sh\n%s\n", what_it_does);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(chmod(name, 0755), 0);
}

START_TEST(a_broken_gnuplot_is_told_of)
{
    tas_sweep *s = earlier_and_sweep();
    put_gnuplot("cat >/dev/null; echo 'line 3: no such terminal' >&2; exit 1");
    expect(tas_sweep_report(s, file), TAS_BAD_FILE, "gnuplot failed", "no such terminal");
    put_gnuplot("cat >/dev/null; echo '<svg viewBox=\"0 0 1 1\"><desc></desc><g>'");
    expect(tas_sweep_report(s, file), TAS_BAD_FILE, "no complete picture", "Time to the target");
    put_gnuplot("exit 0"); /* without having read the script: no SIGPIPE */
    expect(tas_sweep_report(s, file), TAS_BAD_FILE, "no complete picture", "");
    expect(tas_report_check(context, file), TAS_BAD_FILE, "version", "apt install");
    put_gnuplot("kill -9 $$");
    expect(tas_sweep_report(s, file), TAS_BAD_FILE, "gnuplot failed", "");
    expect_earlier();
    sweep_freed(s);
}
END_TEST

/* More than a socket or a pipe holds: neither side waits for the other, and one that is gone raises no SIGPIPE. */
START_TEST(scripts_may_be_long)
{
    enum { LONG = 4 << 20 };
    buffer out = {0};
    char *script = malloc(LONG + 1);
    memset(script, '#', LONG);
    script[LONG] = 0;
    put_gnuplot("exit 0"); /* reads nothing */
    expect(gnuplot_run(context, script, &out), TAS_OK, "", "");
    ck_assert_uint_eq(out.bytes, 0);
    put_gnuplot("cat");
    expect(gnuplot_run(context, script, &out), TAS_OK, "", "");
    ck_assert_uint_eq(out.bytes, LONG);
    ck_assert_str_eq(out.text, script);
    free(out.text);
    free(script);
}
END_TEST

START_TEST(places_are_checked)
{
    char path[128];
    snprintf(path, sizeof path, "%s/missing/report.html", folder);
    expect(tas_report_check(context, path), TAS_BAD_FILE, path, "the folder");
    expect(tas_report_check(context, folder), TAS_BAD_FILE, folder, "is a folder");
    expect(tas_report_check(context, "/proc/report.html"), TAS_BAD_FILE, "/proc/report.html", "cannot be written");
    put_earlier();
    snprintf(path, sizeof path, "%s/below.html", file);
    expect(tas_report_check(context, path), TAS_BAD_FILE, file, "not a folder");
    expect(tas_report_check(context, ""), TAS_BAD_ARGUMENT, "no file name", "");
    expect(tas_report_check(context, NULL), TAS_BAD_ARGUMENT, "no file name", "");
    if (geteuid()) { /* the superuser may write all the same */
        ck_assert_int_eq(chmod(folder, 0555), 0);
        expect(tas_report_check(context, file), TAS_BAD_FILE, file, "cannot be written");
        ck_assert_int_eq(chmod(folder, 0755), 0);
    }
    expect_earlier();
}
END_TEST

START_TEST(reports_go_nowhere_but_to_files)
{
    char path[128];
    tas_sweep *s = earlier_and_sweep();
    snprintf(path, sizeof path, "%s/missing/report.html", folder);
    expect(tas_sweep_report(s, path), TAS_BAD_FILE, path, "cannot be written");
    expect(tas_sweep_report(s, "/proc/report.html"), TAS_BAD_FILE, "/proc/report.html", "cannot be written");
    expect(tas_sweep_report(s, ""), TAS_BAD_ARGUMENT, "no file name", "");
    expect_earlier();
    sweep_freed(s);
}
END_TEST

/* Its name is taken by what cannot be replaced: after hours of work nothing is lost. */
START_TEST(what_cannot_take_its_name_goes_beside_it)
{
    char path[128], other[160];
    tas_sweep *s = earlier_and_sweep();
    snprintf(path, sizeof path, "%s/taken", folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    snprintf(other, sizeof other, "%s.new", path);
    expect(tas_sweep_json(s, path), TAS_BAD_FILE, "not a regular file", other);
    json_t *in = json_load_file(other, 0, NULL);
    ck_assert_int_eq((int)json_array_size(json_object_get(in, "batches")), s->count);
    json_decref(in);
    snprintf(other, sizeof other, "%s.new-2", path);
    expect(tas_sweep_report(s, path), TAS_BAD_FILE, "not a regular file", other);
    FILE *page = fopen(other, "r");
    char first[16] = "";
    ck_assert_ptr_nonnull(page);
    ck_assert_ptr_nonnull(fgets(first, sizeof first, page));
    ck_assert_str_eq(first, "<!DOCTYPE html>");
    fclose(page);
    ck_assert(!unlink(other) && !rmdir(path));
    snprintf(other, sizeof other, "%s.new", path);
    ck_assert(!unlink(other));
    expect_earlier();
    sweep_freed(s);
}
END_TEST

/* No more than a part of it can be written, as on a full disk. */
START_TEST(a_write_that_fails_leaves_the_earlier_file)
{
    const struct rlimit least = {4096, 4096};
    tas_sweep *s = earlier_and_sweep();
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &least), 0);
    const tas_status page = tas_sweep_report(s, file);
    char said[256];
    snprintf(said, sizeof said, "%s", tas_error(context));
    const tas_status json = tas_sweep_json(s, file);
    ck_assert_msg(page == TAS_BAD_FILE && strstr(said, file), "%d: %s", page, said);
    ck_assert_msg(json == TAS_BAD_FILE && strstr(tas_error(context), file), "%d: %s", json, tas_error(context));
    expect_earlier();
    sweep_freed(s);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------------------- */

static int write_pages(const char *where)
{
    if (tas_context_open(&context)) return 1; /* checks of a test are not at hand here */
    for (int i = 0; i < sweep_fixture_count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s.html", where, sweep_fixtures[i].name);
        tas_sweep *s = sweep_made(context, sweep_fixtures[i].name);
        const tas_status status = tas_sweep_report(s, name);
        sweep_freed(s);
        if (!status) continue;
        fprintf(stderr, "%s\n", tas_error(context));
        return 1;
    }
    tas_context_close(&context);
    return 0;
}

int main(int argc, char **argv)
{
    if (system("gnuplot --version >/dev/null 2>&1")) {
        printf("no gnuplot in PATH, which draws the report's plots\n");
        return 77;
    }
    if (argc == 3 && !strcmp(argv[1], "--write")) return write_pages(argv[2]);
    Suite *suite = suite_create("report");
    TCase *pages = tcase_create("pages"), *files = tcase_create("files");
    tcase_add_checked_fixture(pages, open_folder, close_folder);
    tcase_add_checked_fixture(files, open_folder, close_folder);
    tcase_set_timeout(pages, 60);
    tcase_set_timeout(files, 60);
    tcase_add_loop_test(pages, pages_are_well_formed, 0, sweep_fixture_count);
    tcase_add_test(pages, names_are_escaped);
    tcase_add_test(pages, the_recommendation_comes_first);
    tcase_add_test(pages, the_knee_is_that_of_the_reason);
    tcase_add_test(pages, a_gap_is_on_the_first_screen);
    tcase_add_test(pages, the_command_trains_as_the_sweep_did);
    tcase_add_test(pages, the_table_tells_spreads_alike);
    tcase_add_test(pages, every_target_has_a_row);
    tcase_add_test(pages, tiles_pay_or_do_not);
    tcase_add_test(pages, devices_have_a_row);
    tcase_add_test(pages, each_measured_point_is_drawn_and_named);
    tcase_add_test(pages, points_stand_on_their_batch);
    tcase_add_test(pages, scales_show_the_differences);
    tcase_add_test(pages, the_legend_names_band_and_line);
    tcase_add_test(files, a_report_is_a_file);
    tcase_add_test(files, without_gnuplot_the_file_stands);
    tcase_add_test(files, a_broken_gnuplot_is_told_of);
    tcase_add_test(files, scripts_may_be_long);
    tcase_add_test(files, places_are_checked);
    tcase_add_test(files, reports_go_nowhere_but_to_files);
    tcase_add_test(files, what_cannot_take_its_name_goes_beside_it);
    tcase_add_test(files, a_write_that_fails_leaves_the_earlier_file);
    suite_add_tcase(suite, pages);
    suite_add_tcase(suite, files);
    return support_run(suite);
}
