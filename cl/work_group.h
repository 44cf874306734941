/* The place of a work-group in its whole range. A long launch is cut into several, each with an offset, which
 * get_global_id() counts and get_group_id() does not. The offset is a whole number of groups. */
#ifndef WORK_GROUP_H
#define WORK_GROUP_H

static inline uint work_group_id(uint dimension)
{
    return (uint)(get_group_id(dimension) + get_global_offset(dimension) / get_local_size(dimension));
}

#endif
