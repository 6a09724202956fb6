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
    CHECK_CONTAINS("another server listens there", ws_last_error());
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

static void expect_in_the_way(const char *what)
{
    struct record record = RECORD;
    ws_server *server = server_at_path(&record);
    CHECK_STATUS(WS_ERR_ADDRESS, ws_server_start(server));
    CHECK_CONTAINS(path, ws_last_error());
    CHECK_CONTAINS(what, ws_last_error());
    CHECK_OK(ws_server_free(server));
    CHECK(exists());
}

/* A file that is no socket is somebody's, and stays. It is named as what it is. */
static void a_file_in_the_way(void)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs("precious", file) >= 0 && fclose(file) == 0);
    expect_in_the_way("a regular file");
    CHECK_INT(0, unlink(path));
    CHECK_INT(0, symlink("nowhere", path));
    expect_in_the_way("a symbolic link");
    CHECK_INT(0, unlink(path));
    CHECK_INT(0, mkdir(path, 0700));
    expect_in_the_way("a directory");
    CHECK_INT(0, rmdir(path));
}

/* A successor that has taken the path over keeps it when its predecessor stops. */
static void the_path_of_a_successor(void)
{
    struct record records[2] = {RECORD, RECORD};
    ws_server *first = server_at_path(&records[0]), *second = server_at_path(&records[1]);
    CHECK_OK(ws_server_start(first));
    CHECK_INT(0, unlink(path));
    CHECK_OK(ws_server_start(second));
    stop_and_free(first);
    CHECK(exists());
    echo_over_it();
    WAIT_FOR(&records[1], opens, 1);
    stop_and_free(second);
    CHECK(!exists());
}

static void expect_mode(unsigned mode, const char *const *options)
{
    struct record record = RECORD;
    struct stat status;
    ws_server *server = server_at_path(&record);
    for (; *options != NULL; options += 2)
        CHECK_OK(ws_server_set(server, options[0], options[1]));
    CHECK_OK(ws_server_start(server));
    CHECK_INT(0, lstat(path, &status));
    CHECK_INT(mode, status.st_mode & 07777);
    CHECK_INT(geteuid(), status.st_uid);
    CHECK_INT(getegid(), status.st_gid);
    echo_over_it();
    stop_and_free(server);
    CHECK(!exists());
}

/* The file has the mode, the owner and the group that were asked for, whatever the umask. */
static void who_may_connect(void)
{
    char user[16], group[16];
    mode_t before = umask(022);
    snprintf(user, sizeof user, "%u", (unsigned)geteuid());
    snprintf(group, sizeof group, "%u", (unsigned)getegid());
    expect_mode(0755, (const char *const[]){NULL});
    expect_mode(0660, (const char *const[]){"unix_mode", "660", NULL});
    expect_mode(0666, (const char *const[]){"unix_mode", "0666", NULL});
    expect_mode(0660, (const char *const[]){"unix_group", group, NULL});
    expect_mode(0620, (const char *const[]){"unix_mode", "620", "unix_owner", user, "unix_group", group, NULL});
    umask(before);

    struct record record = RECORD;
    ws_server *server = server_at_path(&record);
    CHECK_STATUS(WS_ERR_VALUE, ws_server_set(server, "unix_mode", "rw"));
    CHECK_OK(ws_server_set(server, "unix_owner", "nobody of this name"));
    CHECK_STATUS(WS_ERR_VALUE, ws_server_start(server));
    CHECK_CONTAINS("unix_owner", ws_last_error());
    CHECK(!exists());
    CHECK_OK(ws_server_set(server, "unix_owner", "root"));
    if (geteuid() == 0) {
        CHECK_OK(ws_server_start(server));
        CHECK_OK(ws_server_stop(server, 0));
    } else {
        CHECK_STATUS(WS_ERR_PERMISSION, ws_server_start(server));
    }
    CHECK_OK(ws_server_free(server));
    CHECK(!exists());
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
    the_path_of_a_successor();
    who_may_connect();
    paths_that_cannot_be();
    unlink(path);
    CHECK_INT(0, rmdir(directory));
    return 0;
}
