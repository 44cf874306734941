/* A training's settings and result for people. */
#include "schedule.h"
#include "score.h"
#include "train.h"

#include <string.h>

void train_print_settings(const train_session *session, FILE *stream)
{
    const tas_train_options *options = &session->settings.train;
    char lr[FLOAT_TEXT];
    fprintf(stream, "batch ");
    batch_schedule_print(&session->batches, stream);
    if (options->shards > 1) fprintf(stream, " in %u shards", options->shards);
    fprintf(stream, "%s lr %s%s", options->drop_last ? " (the last one dropped)" : "", cli_float(options->lr, lr),
            session->chosen           ? " (auto)"
            : session->settings.grows ? " (grow)"
                                      : "");
    schedule_print(options, session->lr, stream);
    if (session->batches.capped) fprintf(stream, ", then halved at a batch of %u", session->batches.most);
    optimizer_print(options, stream);
    fprintf(stream, "  seed %llu", (unsigned long long)options->seed);
    if (session->init) fprintf(stream, "  weights from %s", cli_shown(session->settings.init));
    if (session->sets.part) fprintf(stream, "  examples %llu", (unsigned long long)tas_data_count(session->sets.part));
    if (session->sets.validation)
        fprintf(stream, "  validation %llu", (unsigned long long)tas_data_count(session->sets.validation));
    if (session->settings.patience)
        fprintf(stream, "  patience %u%s", session->settings.patience,
                session->settings.watch == BY_ACCURACY ? " (accuracy)" : "");
    until_print_setting(&session->until, stream);
}

/* The choice on one line, and its reason below. */
static void print_choice(const train_session *session)
{
    const tas_train_options *options = &session->settings.train;
    char lr[FLOAT_TEXT];
    printf("auto         batch %u, learning rate %s\n%*s", options->batch, cli_float(options->lr, lr), TEXT_COLUMN, "");
    cli_print_wrapped(stdout, session->reason, TEXT_COLUMN, TEXT_COLUMN, cli_text_width(stdout));
}

void train_print_head(const train_session *session)
{
    const tas_device_info *device = tas_device_get_info(session->device);
    char text[BYTES_TEXT];
    printf("device       %s (%s)%s\n", cli_shown(device->id), cli_shown(device->name),
           session->settings.arith == TAS_ARITH_FAST ? ", fast arithmetic" : "");
    cli_print_network(session->network, session->settings.net);
    printf("data         %llu examples to train, ", (unsigned long long)tas_data_count(session->train));
    if (session->sets.validation)
        printf("%llu held out, ", (unsigned long long)tas_data_count(session->sets.validation));
    printf("%llu to test\nsettings     ", (unsigned long long)tas_data_count(session->test));
    train_print_settings(session, stdout);
    putchar('\n');
    if (session->settings.resume)
        printf("resumed      %s, after step %llu of %llu\n", cli_shown(session->settings.resume),
               (unsigned long long)session->resumed_step, (unsigned long long)tas_run_steps(session->run));
    if (session->chosen) print_choice(session);
    printf("plan         ");
    cli_print_tiles(&session->plan, session->batches.most);
    printf(", %s forecast\n", cli_bytes(session->plan.bytes_total, text));
    fflush(stdout);
}

/* What was done about a device that failed. */
static void print_recovery(const tas_train_result *result)
{
    if (!result->cuts && !result->replays) return;
    printf("recovery     memory refused %d time%s, %d restart%s from a snapshot; tile %u at the end, data set %s\n",
           result->cuts, result->cuts == 1 ? "" : "s", result->replays, result->replays == 1 ? "" : "s", result->tile,
           result->resident ? "on the device" : "streamed");
}

static void print_row(const tas_profile_row *row, double wall)
{
    char bytes[BYTES_TEXT];
    printf("             %-24s %10llu", row->name, (unsigned long long)row->launches);
    if (row->timed)
        printf(" %10.5f %7.1f %%", row->seconds, wall > 0 ? 100 * row->seconds / wall : 0);
    else
        printf(" %10s %9s", "not timed", "");
    if (row->bytes) printf(" %10s", cli_bytes(row->bytes, bytes));
    putchar('\n');
}

/* CLBlast's products, and launches whose times a driver does not give, are listed without a time. */
static void print_profile(const tas_profile *profile)
{
    const double wall = profile->wall_seconds;
    char moved[BYTES_TEXT], least[BYTES_TEXT];
    uint64_t untimed = 0;
    printf("profile      %.3f s on the device: %.3f s busy, %.3f s (%.1f %%) idle; %llu flushes, %llu waits\n", wall,
           profile->busy_seconds, profile->gap_seconds, wall > 0 ? 100 * profile->gap_seconds / wall : 0,
           (unsigned long long)profile->flushes, (unsigned long long)profile->waits);
    printf("             %-24s %10s %10s %9s %10s\n", "kernel", "launches", "seconds", "share", "bytes");
    for (const tas_profile_row *row = profile->rows; row < profile->rows + profile->count; row++) {
        print_row(row, wall);
        untimed += row->launches - row->timed;
    }
    if (profile->steps)
        printf("             each step moves %s; %s would do: parameters and the optimizer's slots once each "
               "way, and the inputs\n",
               cli_bytes((uint64_t)profile->step_bytes, moved), cli_bytes((uint64_t)profile->least_bytes, least));
    if (untimed)
        printf("             %llu launch%s could not be timed%s\n", (unsigned long long)untimed,
               untimed == 1 ? "" : "es", wall > 0 ? "; the time counts as idle" : "");
}

/* "78 examples (60 to 100), 40 steps measured in groups of 16 examples"; "not estimated: ..." */
static void print_range(const tas_noise *noise)
{
    char value[FLOAT_TEXT], low[FLOAT_TEXT], high[FLOAT_TEXT];
    if (noise->obstacle) {
        printf("not estimated: %s\n", noise->obstacle);
        return;
    }
    if (noise->state == TAS_NOISE_KNOWN)
        printf("%s examples (%s to %s)", cli_figures(noise->value, 3, value), cli_figures(noise->low, 3, low),
               cli_figures(noise->high, 3, high));
    else if (noise->state == TAS_NOISE_AT_LEAST)
        printf("at least %s examples", cli_figures(noise->low, 3, low));
    else
        printf("not known yet");
    printf(", %llu step%s measured", (unsigned long long)noise->steps, noise->steps == 1 ? "" : "s");
    if (noise->group > 1) printf(" in groups of %u examples", noise->group);
    putchar('\n');
}

/* What it means depends on the optimizer: McCandlish et al. 2018 relate it to the critical batch of plain SGD. */
static void print_noise(const tas_noise *noise, const tas_train_options *options)
{
    printf("noise scale  ");
    print_range(noise);
    if (noise->obstacle) return;
    if (options->optimizer == TAS_SGD && options->momentum == 0)
        printf("             of the gradient, over this run: for plain SGD an estimate of the critical batch, above "
               "which larger batches save few steps\n");
    else
        printf(
            "             of the gradient, over this run: with momentum or Adam it does not indicate the best batch\n");
}

static void print_preconditioned(const tas_noise *noise)
{
    printf("preconditioned noise scale  ");
    print_range(noise);
    if (noise->obstacle) return;
    printf(
        "             of the gradient as Adam scales it, from step 33 on: to compare parts of runs under Adam at one "
        "batch;\n             not a batch size, which --batch auto and 'tassello sweep --branch' measure\n");
}

/* What the batches were, as the option that repeats the run takes them. */
static void print_growth(const train_session *session)
{
    const tas_growth_cost *cost = &session->growth_cost;
    char seconds[FLOAT_TEXT];
    printf("grow         %d decisions, %llu examples in branches, %s s of these; the same again:\n             "
           "--batch-schedule ",
           cost->decisions, (unsigned long long)cost->examples, cli_figures(cost->seconds, 3, seconds));
    batch_schedule_print(&session->batches, stdout);
    printf(" --lr-scaling %s --base-batch %u\n", tas_lr_scaling_name(session->settings.train.lr_scaling),
           session->settings.train.base_batch);
}

static void print_ranks(const command_ranks *ranks, double seconds)
{
    tas_ranks_traffic t;
    char bytes[BYTES_TEXT];
    tas_ranks_get_traffic(ranks->ranks, &t);
    printf("ranks        %u; this one has %u shards of each batch and sent %s in %llu messages\n",
           tas_ranks_count(ranks->ranks), tas_ranks_shards(ranks->ranks, 0), cli_bytes(t.bytes, bytes),
           (unsigned long long)t.messages);
    if (seconds > 0)
        printf(
            "             of its time %.1f %% for gradients, %.1f %% for updates, %.1f %% for exchanges, of which %.1f "
            "%% waiting; %.1f %% more for exchanges beside the gradients\n",
            100 * t.gradient_seconds / seconds, 100 * t.update_seconds / seconds, 100 * t.exchange_seconds / seconds,
            100 * t.waited_seconds / seconds, 100 * t.beside_seconds / seconds);
}

bool train_preconditions(const train_session *session)
{
    const tas_optimizer optimizer = session->settings.train.optimizer;
    return session->settings.noise && (optimizer == TAS_ADAM || optimizer == TAS_ADAMW);
}

void train_print_result(const train_session *session)
{
    const tas_train_result *result = &session->result;
    uint64_t host;
    const uint64_t peak = train_json_peak(session, &host);
    printf("steps        %llu in %.1f s (%.2f epochs)\n", (unsigned long long)result->steps, result->seconds,
           (double)result->examples / (double)tas_data_count(session->train));
    printf("rate         %.0f examples/s\n", result->examples_per_s);
    if (session->ranks.ranks) print_ranks(&session->ranks, result->seconds);
    print_recovery(result);
    if (session->settings.grows) print_growth(session);
    cli_print_peak(tas_device_get_info(session->device), peak, host);
    if (session->settings.audit) train_audit_print(session);
    if (session->profile) print_profile(session->profile);
    if (session->settings.noise) print_noise(&result->noise, &session->settings.train);
    if (train_preconditions(session)) print_preconditioned(&result->preconditioned_noise);
    validation_print(&session->validation);
    if (session->stopped_early)
        printf("patience     ended after %u validations in a row that were not better\n", session->settings.patience);
    until_print(&session->until, result->steps);
    if (session->scored) score_print_summary(&session->score, session->metrics);
    if (session->scored)
        cli_print_score(&session->score, session->sha256);
    else
        printf("weights sha256 %s\n", session->sha256);
}
