/*-------------------------------------------------------------------------
 *
 * tag.h
 *	  Tags of a request: a flat object of short labels.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_TAG_H
#define AIU_TAG_H

#include "utils/jsonb.h"

#include "common/label.h"

/*
 * A tag's value as text, which may be part of `tags`; false when there is no
 * such tag, or it is null.
 */
extern bool aiu_tag_label(const AiuLabel *name, Jsonb *tags, AiuLabel *label);

#endif							/* AIU_TAG_H */
