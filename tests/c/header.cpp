// The header is C++17 too.
#include <wspush.h>

int main() { return ws_server_free(nullptr) == WS_OK && ws_abi_version() == 1 ? 0 : 1; }
