/* Unix sockets: unix:/path, which is there while the server listens and gone afterwards. */
#include "harness.h"

#include <sys/stat.h>

static char directory[] = "/tmp/wspush-test-XXXXXX", path[sizeof directory + 16], host[sizeof path + 8];

static int connect_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    return client_of((struct sockaddr *)&address, sizeof address);
}

static void expect_unix(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_STRING("unix", ws_request_remote_address(request));
    CHECK_INT(0, ws_request_remote_port(request));
    record_open(server, conn, request, user_data);
}

static int exists(void)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static ws_server *server_at_path(struct record *record)
{
    ws_server *server = recorded_server(record, echo_message);
    CHECK_OK(ws_server_on_open(server, expect_unix, record));
    CHECK_OK(ws_server_listen(server, host, 0));
    return server;
}

static void echo_over_it(void)
{
    int fd = connect_path();
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    send_message(fd, "over a path");
    EXPECT_MESSAGE(fd, "over a path");
    close(fd);
}

static void there_and_gone(void)
{
    struct record record = RECORD;
    ws_server *server = server_at_path(&record);
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0)); /* both at once */
    CHECK_OK(ws_server_start(server));
    CHECK_INT(0, ws_server_port(server, 0));
    CHECK(ws_server_port(server, 1) > 0);
    CHECK(exists());
    echo_over_it();

    struct record second_record = RECORD;
    ws_server *second = server_at_path(&second_record);
    CHECK_STATUS(WS_ERR_ADDRESS_IN_USE, ws_server_start(second)); /* it does not take a living server's place */
    CHECK_CONTAINS(path, ws_last_error());
    CHECK_OK(ws_server_free(second));
    CHECK(exists());
    echo_over_it();

    stop_and_free(server);
    CHECK(!exists());
}

/* A child of fork that frees its copy of the server does not take the path away from its parent. */
static void freed_by_a_child(void)
{
    struct record record = RECORD;
    int status;
    ws_server *server = server_at_path(&record);
    CHECK_OK(ws_server_start(server));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        ws_server_free(server);
        execlp("true", "true", (char *)NULL);
        _exit(1);
    }
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    CHECK(exists());
    echo_over_it();
    stop_and_free(server);
    CHECK(!exists());
}

/* The socket of a server that was killed stays behind, and must not keep the next one out. */
static void left_behind(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(0, bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_INT(0, listen(fd, 1));
    close(fd);
    CHECK(exists());

    struct record record = RECORD;
    ws_server *server = server_at_path(&record);
    CHECK_OK(ws_server_start(server));
    echo_over_it();
    stop_and_free(server);
}

/* A file that is no socket is somebody's, and stays. */
static void a_file_in_the_way(void)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs("precious", file) >= 0 && fclose(file) == 0);
    struct record record = RECORD;
    ws_server *server = server_at_path(&record);
    CHECK(ws_server_start(server) < 0);
    CHECK_CONTAINS(path, ws_last_error());
    CHECK_OK(ws_server_free(server));
    CHECK(exists());
    CHECK_INT(0, unlink(path));
}

static void paths_that_cannot_be(void)
{
    char longest[300] = "unix:/";
    memset(longest + 6, 'x', 200);
    ws_server *server = new_server();
    int status = ws_server_listen(server, longest, 0);
    CHECK_STATUS(WS_ERR_ADDRESS, status == WS_OK ? ws_server_start(server) : status);
    CHECK_OK(ws_server_free(server));

    server = new_server();
    CHECK_OK(ws_server_listen(server, "unix:/nowhere/at/all.sock", 0));
    CHECK_STATUS(WS_ERR_ADDRESS, ws_server_start(server));
    CHECK_CONTAINS("/nowhere/at/all.sock", ws_last_error());
    CHECK_OK(ws_server_free(server));
}

int main(void)
{
    begin();
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/socket", directory);
    snprintf(host, sizeof host, "unix:%s", path);
    there_and_gone();
    freed_by_a_child();
    left_behind();
    a_file_in_the_way();
    paths_that_cannot_be();
    unlink(path);
    CHECK_INT(0, rmdir(directory));
    return 0;
}
