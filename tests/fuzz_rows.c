/* libFuzzer: any bytes as rows of another program, up to the advice and the JSON; and as norms.
 * The last byte picks the options. */
#include <tassello/tassello.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_advice(const tas_sweep *sweep)
{
    tas_advice advice;
    tas_sweep_row row;
    tas_level level;
    int reached = 0;
    tas_sweep_advice(sweep, &advice);
    if (!advice.batch || !*advice.reason || advice.range_low > advice.batch || advice.range_high < advice.batch)
        abort();
    for (size_t i = 0; tas_sweep_batch(sweep, i, &row); i++) {
        if (!row.batch || row.reached > row.seeds || !(row.lr > 0)) abort();
        reached += row.reached;
    }
    for (size_t i = 0; tas_sweep_level(sweep, i, &level); i++)
        if (level.best && !(level.best_seconds >= 0)) abort();
    char *text = tas_sweep_json_text(sweep);
    if (!text || reached < 0) abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    tas_sweep *sweep = NULL;
    tas_advise_options o;
    tas_advise_noise noise;
    const int pick = size ? input[size - 1] : 0;
    if (tas_context_open(&context)) abort();
    tas_advise_options_init(&o);
    o.goal = (tas_goal)(pick % 3);
    if (pick & 4) o.target_loss = 0.5;
    if (pick & 8) o.examples = 1000;
    if (pick & 16) o.waste = 2;
    if (pick & 32) o.batch_most = 64;
    const tas_status status = tas_advise_open_text(context, (const char *)input, size, &o, &sweep);
    if (!sweep && (!status || !*tas_error(context))) abort();
    if (sweep) check_advice(sweep);
    tas_sweep_close(&sweep);
    if (!tas_advise_noise_text(context, "f", (const char *)input, size, o.examples, &noise) &&
        (!*noise.reason || noise.all.first > noise.all.last))
        abort();
    tas_context_close(&context);
    return 0;
}
