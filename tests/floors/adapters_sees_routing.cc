// adapters must not see routing: this file must not compile.
#include "routing/store.h"
