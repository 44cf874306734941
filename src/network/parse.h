/* Reading a network's text into layers with shapes. */
#ifndef PARSE_H
#define PARSE_H

#include "network/network.h"

/* Fills network->layers. The text is cut up on the way. */
tas_status parse_text(tas_network *network, char *text);

#endif
