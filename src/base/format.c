/* Numbers in texts. */
#include "base/format.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three figures of a size from 0.001 to 10000, as it is once it is rounded: 0.9996 is 1.00. */
static int decimals_of(double size)
{
    static const double from[] = {99.95, 9.995, 0.9995, 0.09995, 0.009995};
    int decimals = 0;
    while (decimals < 5 && size < from[decimals]) decimals++;
    return decimals;
}

formatted format_number(double value)
{
    formatted w;
    const double size = fabs(value);
    if (size < 0.001 || !(size < 1e15)) /* 0, and what no unit was made for */
        snprintf(w.text, sizeof w.text, "%.3g", value);
    else if (size >= 10000) /* three figures that are known, zeros that are not */
        snprintf(w.text, sizeof w.text, "%.0f",
                 round(value / pow(10, floor(log10(size)) - 2)) * pow(10, floor(log10(size)) - 2));
    else
        snprintf(w.text, sizeof w.text, "%.*f", decimals_of(size), value);
    return w;
}

formatted format_seconds(double seconds)
{
    static const struct {
        double below, unit;
        const char *name;
    } units[] = {{1e-3, 1e-6, "us"}, {1, 1e-3, "ms"}, {120, 1, "s"}, {7200, 60, "min"}, {INFINITY, 3600, "h"}};
    int i = 0;
    while (seconds >= units[i].below && i < 4) i++;
    formatted w;
    snprintf(w.text, sizeof w.text, "%.20s %s", format_number(seconds / units[i].unit).text, units[i].name);
    return w;
}

formatted format_bytes(uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024; unit++) value /= 1024;
    formatted w;
    if (unit)
        snprintf(w.text, sizeof w.text, "%.20s %s", format_number(value).text, units[unit]);
    else
        snprintf(w.text, sizeof w.text, "%u byte%s", (unsigned)bytes, bytes == 1 ? "" : "s");
    return w;
}

formatted format_float(float value)
{
    formatted w;
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(w.text, sizeof w.text, "%.*g", digits, (double)value);
        if (strtof(w.text, NULL) == value) break;
    }
    if (strstr(w.text, "e+") && fabsf(value) < 1e15f) snprintf(w.text, sizeof w.text, "%.0f", (double)value);
    return w;
}

void format_add(text_buffer *out, const char *format, ...)
{
    if (out->used >= out->bytes) return;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(out->text + out->used, out->bytes - out->used, format, arguments);
    va_end(arguments);
    out->used += length > 0 ? (size_t)length : 0;
    if (out->used > out->bytes) out->used = out->bytes;
}
