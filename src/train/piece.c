/* The tensors of a run's state: see piece.h. */
#include "train/piece.h"

#include "train/step.h"

bool piece_next(const tas_run *run, piece *p)
{
    const tas_network *network = run->model->network;
    const workspace *w = &run->w;
    const int slots = optimizers_row(run->options.optimizer)->slots;
    for (;;) {
        if (++p->parameter == network->parameter_count) {
            p->parameter = 0;
            p->slot++;
        }
        if (p->slot == slots) return false;
        const int index = network->parameters[p->parameter];
        const region *place = &w->plan.tensor[index];
        const bool has_slots =
            network->tensors[index].role == ROLE_PARAMETER && place->offset + place->bytes <= w->plan.trained;
        if (p->slot >= 0 && !has_slots) continue;
        p->at = place->offset;
        for (int k = 0; k <= p->slot; k++) p->at += k ? w->plan.trained : w->plan.bytes[PART_PARAMETERS];
        return true;
    }
}

uint64_t piece_bytes(const tas_run *run)
{
    const uint64_t slots = (uint64_t)optimizers_row(run->options.optimizer)->slots;
    return run->w.plan.bytes[PART_PARAMETERS] + slots * run->w.plan.trained;
}

const tas_tensor_info *piece_info(const tas_run *run, const piece *p)
{
    return &run->model->network->infos[p->parameter];
}

const char *piece_name(const tas_run *run, const piece *p, char name[PIECE_NAME])
{
    const char *slot = p->slot < 0 ? "" : optimizers_row(run->options.optimizer)->slot_name[p->slot];
    snprintf(name, PIECE_NAME, "%s%s%s", piece_info(run, p)->name, *slot ? "." : "", slot);
    return name;
}
