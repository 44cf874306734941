/* A training's settings and result as JSON. */
#include "schedule.h"
#include "score.h"
#include "train.h"

static json_t *describe_choice(const train_session *session)
{
    json_t *o = json_object();
    json_object_set_new(o, "batch", json_integer(session->settings.train.batch));
    json_object_set_new(o, "lr", cli_json_float(session->settings.train.lr));
    json_object_set_new(o, "reason", cli_json_text(session->reason));
    return o;
}

static json_t *describe_growth(const tas_growth_cost *cost)
{
    json_t *o = json_object();
    json_object_set_new(o, "decisions", json_integer(cost->decisions));
    json_object_set_new(o, "branch_examples", json_integer((json_int_t)cost->examples));
    json_object_set_new(o, "decision_s", cli_json_real(cost->seconds));
    return o;
}

static json_t *describe_settings(const train_session *session)
{
    const tas_train_options *options = &session->settings.train;
    json_t *o = json_object();
    uint64_t trained;
    json_object_set_new(o, "network", cli_json_text(session->settings.net));
    json_object_set_new(o, "parameters", json_integer((json_int_t)cli_parameters(session->network, &trained)));
    json_object_set_new(o, "trained_parameters", json_integer((json_int_t)trained));
    json_object_set_new(o, "data", cli_json_text(session->settings.data));
    json_object_set_new(o, "examples", json_integer((json_int_t)tas_data_count(session->train)));
    json_object_set_new(
        o, "held_out",
        json_integer(session->sets.validation ? (json_int_t)tas_data_count(session->sets.validation) : 0));
    json_object_set_new(o, "device", cli_json_text(tas_device_get_info(session->device)->id));
    json_object_set_new(o, "arith", json_string(session->settings.arith == TAS_ARITH_FAST ? "fast" : "exact"));
    json_object_set_new(o, "batch", json_integer(options->batch));
    json_object_set_new(o, "batches", batch_schedule_describe(&session->batches));
    json_object_set_new(o, "shards", json_integer(options->shards));
    json_object_set_new(o, "drop_last", json_boolean(options->drop_last));
    if (session->init) json_object_set(o, "init", session->init);
    if (session->chosen) json_object_set_new(o, "auto", describe_choice(session));
    json_object_set_new(o, "lr", cli_json_float(options->lr));
    schedule_describe(options, session->lr, o);
    optimizer_describe(options, o);
    if (session->settings.patience) json_object_set_new(o, "patience", json_integer(session->settings.patience));
    if (until_measure(&session->until))
        json_object_set_new(o, session->until.accuracy > 0 ? "until_accuracy" : "until_loss",
                            cli_json_real(until_target(&session->until)));
    if (session->sets.validation)
        json_object_set_new(o, "watch", json_string(validation_word(session->settings.watch)));
    json_object_set_new(o, "seed", json_integer((json_int_t)options->seed));
    json_object_set_new(o, "budget", cli_json_budget(session->plan.budget));
    return o;
}

uint64_t train_json_peak(const train_session *session, uint64_t *host)
{
    const tas_train_result *result = &session->result;
    const tas_score *score = &session->score;
    uint64_t peak = score->peak_bytes > result->peak_bytes ? score->peak_bytes : result->peak_bytes;
    *host = score->host_bytes > result->host_bytes ? score->host_bytes : result->host_bytes;
    validation_raise_peaks(&session->validation, &peak, host);
    if (session->until.peak_bytes > peak) peak = session->until.peak_bytes;
    if (session->until.host_bytes > *host) *host = session->until.host_bytes;
    return peak;
}

static void describe_tiles(json_t *o, const train_session *session, uint32_t tile, int resident)
{
    const uint32_t batch = session->batches.most;
    json_object_set_new(o, "tile", json_integer(tile));
    json_object_set_new(o, "tiles", json_integer(tile ? (batch - 1) / tile + 1 : 0));
    json_object_set_new(o, "resident", json_boolean(resident));
    json_object_set_new(o, "forecast_bytes", json_integer((json_int_t)session->plan.bytes_total));
}

json_t *train_json_run(const train_session *session)
{
    json_t *o = describe_settings(session);
    if (session->settings.train.steps)
        json_object_set_new(o, "steps", json_integer((json_int_t)session->settings.train.steps));
    else
        json_object_set_new(o, "epochs", json_integer((json_int_t)session->settings.train.epochs));
    describe_tiles(o, session, session->plan.tile, session->plan.resident);
    if (session->settings.resume)
        json_object_set_new(o, "resumed_step", json_integer((json_int_t)session->resumed_step));
    json_object_set_new(o, "version", json_string(tas_version()));
    json_object_set_new(o, "contract", json_integer(tas_contract()));
    return o;
}

static json_t *describe_noise(const tas_noise *noise)
{
    static const char *const states[] = {[TAS_NOISE_UNKNOWN] = "not known yet",
                                         [TAS_NOISE_AT_LEAST] = "at least",
                                         [TAS_NOISE_KNOWN] = "known",
                                         [TAS_NOISE_IMPOSSIBLE] = "not estimated"};
    json_t *o = json_object();
    json_object_set_new(o, "state", json_string(states[noise->state]));
    json_object_set_new(o, "value", cli_json_real(noise->value));
    json_object_set_new(o, "low",
                        noise->state == TAS_NOISE_AT_LEAST || noise->state == TAS_NOISE_KNOWN
                            ? cli_json_real(noise->low)
                            : json_null());
    json_object_set_new(o, "high", cli_json_real(noise->high));
    json_object_set_new(o, "steps", json_integer((json_int_t)noise->steps));
    json_object_set_new(o, "group", noise->group ? json_integer((json_int_t)noise->group) : json_null());
    json_object_set_new(o, "obstacle", noise->obstacle ? json_string(noise->obstacle) : json_null());
    return o;
}

static json_t *describe_profile(const tas_profile *profile)
{
    json_t *o = json_object(), *rows = json_array();
    json_object_set_new(o, "wall_s", cli_json_real(profile->wall_seconds));
    json_object_set_new(o, "busy_s", cli_json_real(profile->busy_seconds));
    json_object_set_new(o, "gap_s", cli_json_real(profile->gap_seconds));
    json_object_set_new(o, "flushes", json_integer((json_int_t)profile->flushes));
    json_object_set_new(o, "waits", json_integer((json_int_t)profile->waits));
    json_object_set_new(o, "steps", json_integer((json_int_t)profile->steps));
    json_object_set_new(o, "step_bytes", cli_json_real(profile->step_bytes));
    json_object_set_new(o, "least_step_bytes", cli_json_real(profile->least_bytes));
    for (const tas_profile_row *at = profile->rows; at < profile->rows + profile->count; at++) {
        json_t *row = json_object();
        json_object_set_new(row, "name", json_string(at->name));
        json_object_set_new(row, "launches", json_integer((json_int_t)at->launches));
        json_object_set_new(row, "timed", json_integer((json_int_t)at->timed));
        json_object_set_new(row, "seconds", at->timed ? cli_json_real(at->seconds) : json_null());
        json_object_set_new(row, "bytes", json_integer((json_int_t)at->bytes));
        json_array_append_new(rows, row);
    }
    json_object_set_new(o, "rows", rows);
    return o;
}

static json_t *describe_ranks(const tas_ranks *ranks)
{
    tas_ranks_traffic t;
    json_t *o = json_object(), *shards = json_array();
    tas_ranks_get_traffic(ranks, &t);
    json_object_set_new(o, "count", json_integer(tas_ranks_count(ranks)));
    for (uint32_t r = 0; r < tas_ranks_count(ranks); r++)
        json_array_append_new(shards, json_integer(tas_ranks_shards(ranks, r)));
    json_object_set_new(o, "shards", shards);
    json_object_set_new(o, "messages", json_integer((json_int_t)t.messages));
    json_object_set_new(o, "bytes", json_integer((json_int_t)t.bytes));
    json_object_set_new(o, "gradient_s", cli_json_real(t.gradient_seconds));
    json_object_set_new(o, "update_s", cli_json_real(t.update_seconds));
    json_object_set_new(o, "beside_s", cli_json_real(t.beside_seconds));
    json_object_set_new(o, "exchange_s", cli_json_real(t.exchange_seconds));
    json_object_set_new(o, "waited_s", cli_json_real(t.waited_seconds));
    return o;
}

json_t *train_json_result(const train_session *session)
{
    const tas_train_result *result = &session->result;
    json_t *o = describe_settings(session);
    uint64_t host;
    const uint64_t peak = train_json_peak(session, &host);
    json_object_set_new(o, "steps", json_integer((json_int_t)result->steps));
    if (session->settings.resume)
        json_object_set_new(o, "resumed_step", json_integer((json_int_t)session->resumed_step));
    json_object_set_new(o, "epochs", cli_json_real((double)result->examples / (double)tas_data_count(session->train)));
    json_object_set_new(o, "start_seconds", cli_json_real(session->start_seconds));
    json_object_set_new(o, "seconds", cli_json_real(result->seconds));
    if (session->ranks.ranks) json_object_set_new(o, "ranks", describe_ranks(session->ranks.ranks));
    if (session->settings.grows) json_object_set_new(o, "grow", describe_growth(&session->growth_cost));
    json_object_set_new(o, "examples_per_s", cli_json_real(result->examples_per_s));
    json_object_set_new(o, "peak_bytes", json_integer((json_int_t)peak));
    json_object_set_new(o, "host_bytes", json_integer((json_int_t)host));
    describe_tiles(o, session, result->tile, result->resident);
    json_object_set_new(o, "cuts", json_integer(result->cuts));
    json_object_set_new(o, "replays", json_integer(result->replays));
    if (session->settings.noise) json_object_set_new(o, "noise", describe_noise(&result->noise));
    if (train_preconditions(session))
        json_object_set_new(o, "preconditioned_noise", describe_noise(&result->preconditioned_noise));
    if (session->settings.audit) json_object_set_new(o, "audit", train_audit_describe(session));
    if (session->profile) json_object_set_new(o, "profile", describe_profile(session->profile));
    json_object_set_new(o, "interrupted", json_boolean(session->interrupted));
    if (session->sets.validation) json_object_set_new(o, "validation", validation_describe_all(&session->validation));
    if (session->validation.count) {
        const uint64_t best = session->validation.list[session->validation.best].step;
        json_object_set_new(o, "best_step", json_integer((json_int_t)best));
        json_object_set_new(o, "stopped_early", json_boolean(session->stopped_early));
    }
    if (until_measure(&session->until)) json_object_set_new(o, "target", until_describe(&session->until));
    json_object_set_new(o, "accuracy",
                        session->scored && session->score.accuracy >= 0 ? cli_json_real(session->score.accuracy)
                                                                        : json_null());
    json_object_set_new(o, "loss", session->scored ? cli_json_real(session->score.loss) : json_null());
    if (session->scored) json_object_set_new(o, "metrics", score_describe(session->metrics, false, NULL));
    json_object_set_new(o, "weights_sha256", json_string(session->sha256));
    return o;
}
