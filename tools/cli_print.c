/* What several commands print. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *cli_shown(const char *text)
{
    enum { TEXTS = 4, TEXT_BYTES = 4096 };
    static char texts[TEXTS][TEXT_BYTES];
    static int next;
    next = (next + 1) % TEXTS;
    return tas_escape(text, texts[next], TEXT_BYTES);
}

uint64_t cli_parameters(const tas_network *network, uint64_t *trained)
{
    uint64_t sum = 0, moving = 0;
    tas_layer_info layer;
    for (size_t i = 0; tas_network_layer_info(network, i, &layer); i++) {
        sum += layer.parameters;
        moving += layer.frozen ? 0 : layer.parameters;
    }
    if (trained) *trained = moving;
    return sum;
}

const char *cli_print_trained(uint64_t parameters, uint64_t trained, char text[TRAINED_TEXT])
{
    *text = 0;
    if (trained < parameters) snprintf(text, TRAINED_TEXT, ", %llu of them trained", (unsigned long long)trained);
    return text;
}

void cli_print_network(const tas_network *network, const char *name)
{
    char text[TRAINED_TEXT];
    const char *line;
    uint64_t trained;
    const uint64_t parameters = cli_parameters(network, &trained);
    printf("network      %s\n", cli_shown(name));
    for (size_t i = 0; (line = tas_network_layer(network, i)); i++) printf("             %s\n", cli_shown(line));
    printf("parameters   %llu%s\n", (unsigned long long)parameters, cli_print_trained(parameters, trained, text));
}

void cli_print_peak(const tas_device_info *device, uint64_t bytes, uint64_t host)
{
    char text[BYTES_TEXT], part[BYTES_TEXT];
    printf("peak memory  %s (%llu bytes)", cli_bytes(bytes, text), (unsigned long long)bytes);
    printf(device->shared_memory ? ", including %s of host memory\n" : " on the device, %s on the host\n",
           cli_bytes(host, part));
}

void cli_print_score(const tas_score *score, const char *sha256)
{
    if (score->accuracy >= 0)
        printf("test accuracy %.4f loss %.4f\n", score->accuracy, score->loss);
    else
        printf("test loss %.4f\n", score->loss);
    printf("weights sha256 %s\n", sha256);
}

int cli_check_score(cli_state *cli, const tas_score *score)
{
    if (isfinite(score->loss)) return 0;
    cli_error(cli, "the test loss is not finite: the weights are too large; a smaller learning rate may help");
    return EXIT_FAILED;
}

const char *cli_bytes(uint64_t bytes, char text[BYTES_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024; unit++) value /= 1024;
    bool whole = value == (double)(uint64_t)value;
    snprintf(text, BYTES_TEXT, "%.*f %s", whole ? 0 : 1, value, units[unit]);
    return text;
}

void cli_print_tiles(const tas_plan *plan, uint32_t batch)
{
    printf("tile %u of %u (%u tile%s), data set %s", plan->tile, batch, plan->tiles, plan->tiles == 1 ? "" : "s",
           plan->resident ? "on the device" : "streamed");
}

const char *cli_figures(double value, int digits, char text[FLOAT_TEXT])
{
    double rounded;
    snprintf(text, FLOAT_TEXT, "%.*e", digits - 1, value);
    const char *exponent = strchr(text, 'e');
    const int power = exponent ? atoi(exponent + 1) : 0;
    if (exponent && power >= -5 && power <= 9 && cli_read_f64(text, &rounded))
        snprintf(text, FLOAT_TEXT, "%.*f", power < digits ? digits - 1 - power : 0, rounded);
    return text;
}

const char *cli_float(float value, char text[FLOAT_TEXT])
{
    int digits = 1;
    for (float back; digits < 9; digits++)
        if (cli_read_f32(cli_figures((double)value, digits, text), &back) && back == value) break;
    return cli_figures((double)value, digits, text);
}
