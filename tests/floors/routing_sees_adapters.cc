// routing must not see adapters: this file must not compile.
#include "adapters/wire/http1.h"
