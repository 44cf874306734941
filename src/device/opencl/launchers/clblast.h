/* What verify and the tests may ask of CLBlast on a device that was opened with TAS_ARITH_FAST. */
#ifndef CLBLAST_H
#define CLBLAST_H

#include "device/device.h"

/* Parameters of CLBlast's kernel Xgemm; all must be given. M, N are the sizes of the product, K the length of its sums.
 */
typedef struct clblast_row {
    size_t gemmk;        /* the kernel: 0; 1 computes wrong products where mwg and nwg differ (CLBlast#533, #542) */
    size_t kreg;         /* of kernel 1 alone */
    size_t kwg, kwi;     /* block of K, and how far its loop is unrolled */
    size_t mdima, mdimc; /* work-items in M: for loads of A, for sums */
    size_t mwg;          /* block of M */
    size_t ndimb, ndimc, nwg;
    size_t sa, sb;     /* A and B go through local memory */
    size_t strm, strn; /* strided access */
    size_t vwm, vwn;   /* vectors */
} clblast_row;

/* Sets the row for this device, in the whole process: CLBlast keeps one row a device. */
tas_status clblast_set_row(tas_device *device, const clblast_row *row);

/* Integer-valued products that must be exact, by every form and kernel that the launchers use. *right says whether they
 * were; why (bytes) says what was not, or that it took too long. Fails for want of the host's memory alone. */
tas_status clblast_self_test(tas_device *device, bool *right, char *why, size_t bytes);

/* Why CLBlast does not do this device's products: NULL where it does. */
const char *clblast_unused(const tas_device *device);

/* An odd edge from which a cube is given to Xgemm; smaller products go to XgemmDirect. 0: no cube below 4096. */
uint32_t clblast_indirect_edge(tas_device *device);

#endif
