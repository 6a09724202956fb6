/* Options by name: what each takes, what it refuses and how it says so; and that nothing changes after the start. */
#include "harness.h"

static const struct {
    const char *name, *good[6], *bad[8];
} options[] = {
    {"reactors", {"1", "2", "64"}, {"0", "65", "-1", "", "two", "1K", "1.5"}},
    {"max_connections", {"1", "100000"}, {"0", "-1", "many", "99999999999999999999"}},
    {"max_message_size", {"1", "125", "64K", "64M", "1G"}, {"0", "-1", "", "1X", "K", "1 M B", "18446744073709551616"}},
    {"max_frame_size", {"125", "64K", "64M"}, {"-1", "big", "1e6"}},
    {"max_fragments", {"1", "4096"}, {"0", "-1", "x"}},
    {"max_queued_bytes", {"64K", "8M", "1G"}, {"-1", "x", "8MM"}},
    {"max_topics", {"1", "1000000"}, {"0", "-1", "x"}},
    {"allowed_origins", {"", "https://example.com", "https://a.example , http://localhost:8080,null"},
     {"example.com", "*", "https://example.com/", "https://a b", "https://a,,https://b", "https://a https://b"}},
    {"paths", {"", "/", "/chat, /feed/live"}, {"chat", "/a?b", "/a b", ","}},
    {"subprotocols", {"", "v2.chat,v1.chat"}, {"a b", "a,", "v/2"}},
    {"trusted_proxies", {"", "unix", "10.0.0.0/8, 2001:db8::/32,192.0.2.7", "::1,0.0.0.0/0"},
     {"localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8/8", "10.0.0.0/8,,::1", "::1%lo", "1.2.3.4:80"}},
    {"proxy_protocol", {"on", "off"}, {"", "v2", "2"}},
    {"metrics_path", {"", "/metrics", "/a/b-c"}, {"metrics", "/a?b", "/a b", "*"}},
    {"log_level", {"", "error", "warning", "notice", "info", "debug"}, {"all", "Error", "emergency", "5"}},
    {"log_events", {"on", "off"}, {"", "x"}},
    {"max_event_bytes", {"64K", "4M"}, {"-1", "x"}},
    {"max_request_head", {"1K", "8K", "64K"}, {"0", "-1", "x"}},
    {"request_timeout", {"10s", "200ms", "1", "2m"}, {"-1", "x", "5 years", "1.5s"}},
    {"response_timeout", {"30s", "200ms"}, {"-1", "x"}},
    {"ping_interval", {"0", "30", "30s", "100ms", "1m"}, {"-1s", "x", "s"}},
    {"pong_timeout", {"15s", "100ms"}, {"-1", "x"}},
    {"idle_timeout", {"0", "1m", "100ms"}, {"-1", "x"}},
    {"idle_counts_all", {"on", "off"}, {"", "maybe"}},
    {"close_timeout", {"5s", "100ms"}, {"-1", "x"}},
    {"backlog", {"1", "1024"}, {"0", "-1", "x"}},
    {"reuse_port", {"on", "off"}, {"", "maybe", "2"}},
};

static void each_option(ws_server *server)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        for (int k = 0; k < 6 && options[i].good[k] != NULL; k++)
            CHECK_OK(ws_server_set(server, options[i].name, options[i].good[k]));
        for (int k = 0; k < 8 && options[i].bad[k] != NULL; k++) {
            int status = ws_server_set(server, options[i].name, options[i].bad[k]);
            if (status != WS_ERR_VALUE)
                fail(HERE, "%s = \"%s\" gives %s", options[i].name, options[i].bad[k], ws_error_name(status));
            CHECK_CONTAINS(options[i].name, ws_last_error());
            CHECK_CONTAINS(options[i].bad[k], ws_last_error());
        }
    }
}

static void unknown(ws_server *server)
{
    CHECK_STATUS(WS_ERR_OPTION, ws_server_set(server, "max_mesage_size", "1M"));
    CHECK_CONTAINS("max_mesage_size", ws_last_error());
    CHECK_CONTAINS("max_message_size", ws_last_error()); /* the detail helps with the right name */
    CHECK_STATUS(WS_ERR_OPTION, ws_server_set(server, "", "1"));
    CHECK_STATUS(WS_ERR_OPTION, ws_server_set(server, "REACTORS", "1"));
}

static void the_detail_names_the_range(ws_server *server)
{
    CHECK_STATUS(WS_ERR_VALUE, ws_server_set(server, "reactors", "65"));
    CHECK_CONTAINS("64", ws_last_error());
}

static void not_utf8(ws_server *server)
{
    CHECK(ws_server_set(server, "\xff\xfe", "1") < 0);
    CHECK(ws_server_set(server, "reactors", "\xff") < 0);
}

static void not_after_the_start(void)
{
    ws_server *server = new_server();
    start(server);
    CHECK_STATUS(WS_ERR_STATE, ws_server_set(server, "reactors", "2"));
    CHECK_STATUS(WS_ERR_STATE, ws_server_listen(server, "127.0.0.1", 0));
    CHECK_OK(ws_server_free(server));
}

/* A refused value leaves the one that was set before. */
static void a_refused_value_changes_nothing(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_message_size", "10"));
    CHECK_STATUS(WS_ERR_VALUE, ws_server_set(server, "max_message_size", "lots"));
    int fd = client_open(start(server));
    send_message(fd, "0123456789");
    EXPECT_MESSAGE(fd, "0123456789");
    send_message(fd, "0123456789x");
    EXPECT_CLOSE(fd, 1009);
    stop_and_free(server);
    close(fd);
}

int main(void)
{
    begin();
    ws_server *server = new_server();
    each_option(server);
    unknown(server);
    the_detail_names_the_range(server);
    not_utf8(server);
    CHECK_OK(ws_server_free(server));
    not_after_the_start();
    a_refused_value_changes_nothing();
    return 0;
}
