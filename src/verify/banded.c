/* Operands of a case on a device, between guard bands. */
#include "verify/banded.h"

#include "device/operand.h"

#include "arith.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t guard_word = 0x7fc0dead; /* a NaN, which shows in the results if it is read */

void banded_fill_guard(void *data, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++) ((unsigned char *)data)[i] = ((const unsigned char *)&guard_word)[i % 4];
}

static bool is_guard(const unsigned char *data, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        if (data[i] != ((const unsigned char *)&guard_word)[i % 4]) return false;
    return true;
}

/* Pads of parameters hold 0. Lanes past the last example may hold anything: NaN here, so that none gets into a result.
 */
static void pack_operand(layout matrix, op_layout wanted, const float *canonical, float *packed)
{
    layout_pack(matrix, canonical, packed);
    if (wanted != LAYOUT_BATCH_PANELS) return;
    for (uint32_t r = matrix.rows; r % matrix.panel; r++)
        for (uint32_t i = 0; i < matrix.cols; i++) packed[layout_index(matrix, r, i)] = arith_float(guard_word);
}

/* Whether the pads of a matrix of parameters still hold 0. */
static bool has_zero_pads(layout matrix, const float *packed)
{
    for (uint32_t r = matrix.rows; r % matrix.panel; r++)
        for (uint32_t i = 0; i < matrix.cols; i++)
            if (arith_bits(packed[layout_index(matrix, r, i)])) return false;
    return true;
}

/* Copies host to new memory on the device. */
static tas_status banded_write(tas_device *device, const unsigned char *host, banded *b)
{
    const device_driver *driver = device->driver;
    tas_status status = device_alloc(device, b->whole_bytes, &b->whole);
    if (!status) status = driver->write(device, &b->whole, 0, host, b->whole_bytes, true);
    if (!status) status = driver->slice(device, &b->whole, b->band, b->bytes, &b->slice);
    return status;
}

/* Sets the sizes of the bands, and gives host memory full of guards. */
static tas_status banded_alloc(tas_device *device, banded *b, unsigned char **host)
{
    b->band = device->bare ? 0 : device->info.align_bytes > 256 ? device->info.align_bytes : 256;
    b->whole_bytes = b->band + b->bytes + b->band;
    *host = malloc((size_t)b->whole_bytes);
    if (!*host) return fail(device->context, TAS_NO_MEMORY, "no memory for a case");
    banded_fill_guard(*host, b->whole_bytes);
    return TAS_OK;
}

tas_status banded_open(tas_device *device, const test_case *c, int o, uint32_t panel_width, banded *b)
{
    const op_operand *operand = &op_get(c->args.op)->operand[o];
    unsigned char *host;
    op_args args = c->args;
    args.panel_width = panel_width;
    *b = (banded){0};
    if (!c->elements[o]) return TAS_OK; /* the call does without it */
    *b =
        (banded){.bytes = c->elements[o] * op_type_bytes(operand->type), .panels = operand->layout != LAYOUT_ROW_MAJOR};
    b->matrix = operand_layout(device, &args, o, c->elements[o]);
    b->zero_pads = operand->layout == LAYOUT_WEIGHT_PANELS && c->mode != DRAW_WILD; /* infinity times 0 is no 0 */
    if (b->panels) b->bytes = layout_elements(b->matrix) * sizeof(float);
    tas_status status = banded_alloc(device, b, &host);
    if (status) return status;
    if (b->panels && operand->access != ACCESS_OUT)
        pack_operand(b->matrix, operand->layout, c->before[o], (float *)(void *)(host + b->band));
    else if (!b->panels)
        memcpy(host + b->band, c->before[o], (size_t)b->bytes);
    status = banded_write(device, host, b);
    free(host);
    return status;
}

/* Scratch is full of guards, so that what is read before it is written is NaN. */
tas_status banded_open_scratch(tas_device *device, uint64_t bytes, banded *b)
{
    unsigned char *host;
    *b = (banded){.bytes = bytes};
    if (!bytes) return TAS_OK;
    tas_status status = banded_alloc(device, b, &host);
    if (!status) status = banded_write(device, host, b);
    free(host);
    return status;
}

void banded_close(tas_device *device, banded *b)
{
    device->driver->release_slice(device, &b->slice);
    device_release(device, &b->whole);
}

/* Reads the memory and checks its bands; `bytes` of what lies between them go to got, unless that is NULL. */
tas_status banded_read(tas_device *device, const banded *b, uint64_t bytes, void *got, bool *stray)
{
    unsigned char *host = malloc((size_t)b->whole_bytes + 1);
    if (!host) return fail(device->context, TAS_NO_MEMORY, "no memory for a case");
    tas_status status = b->bytes ? device->driver->read(device, &b->whole, 0, host, b->whole_bytes) : TAS_OK;
    if (!status && b->bytes)
        *stray |= !is_guard(host, 0, b->band) || !is_guard(host, b->band + b->bytes, b->whole_bytes);
    if (!status && b->zero_pads) *stray |= !has_zero_pads(b->matrix, (const float *)(const void *)(host + b->band));
    if (!status && got && b->panels)
        layout_unpack(b->matrix, (const float *)(const void *)(host + b->band), got);
    else if (!status && got)
        memcpy(got, host + b->band, (size_t)bytes);
    free(host);
    return status;
}
