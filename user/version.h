/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FALLOW_VERSION_H
#define FALLOW_VERSION_H

#define FALLOW_VERSION "0.1.0"

#endif
