/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container gets that nobody asked for otherwise; shown by `info`. Private to engine/. */
#ifndef INSULA_ENGINE_DEFAULTS_H
#define INSULA_ENGINE_DEFAULTS_H

#include <stdint.h>

#define DEFAULT_STOP_TIMEOUT_MS 10000
#define DEFAULT_HEALTH_INTERVAL_MS 30000
#define DEFAULT_HEALTH_TIMEOUT_MS 30000
#define DEFAULT_HEALTH_RETRIES 3
#define DEFAULT_HEALTH_MIN_MS 100
#define DEFAULT_HEALTH_MAX_MS (INT64_C(366) * 86400 * 1000)
#define DEFAULT_PIDS 2048
#define DEFAULT_SHM_SIZE (UINT64_C(64) << 20)
#define DEFAULT_LOG_SIZE (UINT64_C(10) << 20) /* bytes a file */
#define DEFAULT_LOG_FILES 3

#endif
