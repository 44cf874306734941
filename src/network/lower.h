/* Lowering: layers to tensors and calls of operations, forward and backward. */
#ifndef LOWER_H
#define LOWER_H

#include "network/network.h"

tas_status lower_network(tas_network *network);

#endif
