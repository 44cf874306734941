/* Operands of a case on a device: each lies between two bands of guards, so that a write past its ends is seen, and a
 * read there gives NaN. */
#ifndef BANDED_H
#define BANDED_H

#include "verify/cases.h"

/* An operand on the device: its layout there, its bytes, and the buffer that holds it between guard bands. */
typedef struct banded {
    layout matrix;
    bool panels;    /* parameters or examples, in more than one row each */
    bool zero_pads; /* parameters, whose pads must hold 0 afterwards, too */
    uint64_t bytes, band, whole_bytes;
    mem whole, slice;
} banded;

/* Fills with guards, which are NaN as floats. */
void banded_fill_guard(void *data, uint64_t bytes);

/* Operand o of a case, in the layout that the device needs; scratch, full of guards. Closed even after a failure. */
tas_status banded_open(tas_device *device, const test_case *c, int o, uint32_t panel_width, banded *b);
tas_status banded_open_scratch(tas_device *device, uint64_t bytes, banded *b);
void banded_close(tas_device *device, banded *b);

/* Reads the memory and checks its bands; `bytes` of what lies between them go to got, unless that is NULL. *stray is
 * set if a band was written to, or a pad of parameters is no longer 0. */
tas_status banded_read(tas_device *device, const banded *b, uint64_t bytes, void *got, bool *stray);

#endif
