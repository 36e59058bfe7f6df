// adapters must not see the gateway: this file must not compile.
#include "gateway/exchange.h"
