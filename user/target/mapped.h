/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that a target has mapped: the very ones, whatever has become of their names. */
#ifndef FALLOW_MAPPED_H
#define FALLOW_MAPPED_H

#include "target/target.h"
#include "target/vma.h"

/* Opens the file of @v for reading; the caller closes. -1: it is not to be had. */
int mapped_open(const struct target *t, const struct vma *v);

#endif
