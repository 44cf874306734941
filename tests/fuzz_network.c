/* libFuzzer: any bytes as a network's text, without data and for a small set. What data fill in is a network by itself.
 */
#include "network/fill.h"

#include <stdlib.h>
#include <string.h>
#include <tassello/tassello.h>

enum { EXAMPLES = 5, VALUES = 4, TARGETS = 2 };

static const float inputs[EXAMPLES * VALUES] = {1, 2, 3, 4, -1e30f, 1e30f, 1e-20f, 0, 5, 5, 5, 5};
static const float targets[EXAMPLES * TARGETS] = {1, 2, 3, 3e38f, -3e38f};

static tas_data *open_set(tas_context *context, bool labels)
{
    static const uint32_t of[EXAMPLES] = {0, 1, 2, 1, 0};
    tas_data_options options;
    tas_data *data = NULL;
    tas_data_options_init(&options);
    options.count = EXAMPLES;
    options.input_size = VALUES;
    options.input_type = TAS_INPUT_F32;
    options.inputs = inputs;
    options.target_type = labels ? TAS_TARGET_LABEL : TAS_TARGET_F32;
    options.classes = labels ? 3 : 0;
    options.target_size = labels ? 0 : TARGETS;
    options.targets = labels ? (const void *)of : targets;
    if (tas_data_open(context, &options, &data)) abort();
    return data;
}

static void parse_for(tas_context *context, const char *text, const tas_data *data)
{
    tas_network *network = NULL, *again = NULL;
    const tas_status status = tas_network_parse_for(context, text, "fuzz", data, &network);
    if (status && (network || !*tas_error(context))) abort();
    if (!status && tas_network_parse(context, tas_network_text(network), "again", &again)) abort();
    tas_network_close(&again);
    tas_network_close(&network);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    tas_reading reading;
    char *text = malloc(size + 1);
    if (!text || tas_context_open(&context)) abort();
    memcpy(text, input, size);
    text[size] = 0;
    tas_data *of_labels = open_set(context, true), *of_values = open_set(context, false);
    parse_for(context, text, NULL);
    parse_for(context, text, of_labels);
    parse_for(context, text, of_values);
    tas_reading_init(&reading);
    if (tas_network_expect_text(context, text, "fuzz", &reading) && !*tas_error(context)) abort();
    tas_data_close(&of_labels);
    tas_data_close(&of_values);
    tas_context_close(&context);
    free(text);
    return 0;
}
