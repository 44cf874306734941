/* What every folder may use. */
#ifndef BASE_H
#define BASE_H

#include "base/cache.h"
#include "base/context.h"
#include "base/file.h"
#include "base/text.h"

#endif
