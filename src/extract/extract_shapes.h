/*-------------------------------------------------------------------------
 *
 * extract_shapes.h
 *	  The words that shapes are written in: only for the files that list them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_EXTRACT_SHAPES_H
#define AIU_EXTRACT_SHAPES_H

#include "extract/extract_internal.h"

#define UNIT(path, unit)		{path, unit, AIU_MAP_UNIT, 0}
#define REQUIRED(path, unit)	{path, unit, AIU_MAP_UNIT, AIU_MAP_REQUIRED}
#define FALLBACK(path, unit)	{path, unit, AIU_MAP_UNIT, AIU_MAP_FALLBACK}
#define KNOWN(path)				{path, NULL, AIU_MAP_KNOWN, 0}
#define NO_UNIT(path)			{path, NULL, AIU_MAP_NO_UNIT, 0}
#define COST(path, kind)		{path, NULL, kind, 0}
#define END						{NULL, NULL, 0, 0}

#endif							/* AIU_EXTRACT_SHAPES_H */
