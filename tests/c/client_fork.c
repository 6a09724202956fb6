/* Masks and forks: no two frames have one mask, none can be told from another, and a child draws others than its parent; what
 * a parent has started is none of its child's business. */
#include "server.h"

enum { SAMPLE = 4096 };

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, 4);
}

/* A sample of masks has no repetition beyond chance, and each bit in half of them. */
static void check_masks(unsigned char (*masks)[4], int count)
{
    int repeated = 0;
    for (int bit = 0; bit < 32; bit++) {
        int set = 0;
        for (int i = 0; i < count; i++)
            set += masks[i][bit / 8] >> bit % 8 & 1;
        CHECK(set > count * 2 / 5 && set < count * 3 / 5); /* 6 standard deviations with 1,000 */
    }
    qsort(masks, (size_t)count, 4, compare);
    for (int i = 1; i < count; i++)
        repeated += memcmp(masks[i - 1], masks[i], 4) == 0;
    CHECK(repeated < 3); /* 0.002 are to be expected of 4,096 */
}

static void fresh_for_each_frame(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    static unsigned char masks[SAMPLE][4];
    int count = scaled(SAMPLE, 1024);
    ws_client *client = started_client(listener->url, &record);
    int fd = OPEN_NEXT(listener);
    WAIT_CLIENT(&record, opens, 1);
    for (int i = 0; i < count; i++) {
        int is_ping = i % 16 == 15;
        CHECK_OK(is_ping ? ws_client_ping(client, "same", 4) : ws_client_push(client, "same", 4, WS_TEXT));
        struct masked got = receive_masked(fd);
        CHECK(got.frame.length == 4 && memcmp(got.frame.data, "same", 4) == 0);
        memcpy(masks[i], got.mask, 4);
        frame_free(&got.frame);
    }
    check_masks(masks, count);
    close(fd);
    EXPECT_CLOSED(client, &record, 1006);
}

/* Pushed by the hundred, so that many leave in one write. */
static void fresh_in_one_write(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    static unsigned char masks[1000][4];
    ws_client *client = started_client(listener->url, &record);
    int fd = OPEN_NEXT(listener);
    WAIT_CLIENT(&record, opens, 1);
    for (int i = 0; i < 1000; i++)
        CHECK_OK(ws_client_push(client, "same", 4, WS_TEXT));
    for (int i = 0; i < 1000; i++) {
        struct masked got = receive_masked(fd);
        CHECK(got.frame.length == 4 && memcmp(got.frame.data, "same", 4) == 0);
        memcpy(masks[i], got.mask, 4);
        frame_free(&got.frame);
    }
    check_masks(masks, 1000);
    close(fd);
    EXPECT_CLOSED(client, &record, 1006);
}

/* What a client of this process sends first: its key, and its first masks. */
struct secrets {
    char key[64];
    unsigned char masks[8][4];
};

static void dial_and_push(const char *url)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = started_client(url, &record);
    WAIT_CLIENT(&record, opens, 1);
    for (int i = 0; i < 8; i++)
        CHECK_OK(ws_client_push(client, "same", 4, WS_TEXT));
    EXPECT_CLOSED(client, &record, 1006); /* when the test has seen them */
}

static void *in_thread(void *url)
{
    dial_and_push(url);
    return NULL;
}

static struct secrets secrets_of_next(const struct listener *listener)
{
    struct secrets secrets;
    int fd = ACCEPT(listener);
    struct upgrade upgrade = receive_upgrade(fd);
    CHECK(header_of(upgrade.head, "Sec-WebSocket-Key", secrets.key, sizeof secrets.key));
    send_101(fd, &upgrade, "");
    for (int i = 0; i < 8; i++) {
        struct masked got = receive_masked(fd);
        memcpy(secrets.masks[i], got.mask, 4);
        frame_free(&got.frame);
    }
    close(fd);
    return secrets;
}

/* A child does nothing that its memory would be judged by at its end: it becomes another program. */
static void end_child(int result)
{
    if (result == 0)
        execlp("true", "true", (char *)NULL);
    _exit(1);
}

static void the_child_draws_others(struct listener *listener)
{
    struct secrets mine, of_children[2];
    int status;
    pthread_t thread = spawn(in_thread, listener->url); /* so that there is a state to be copied */
    mine = secrets_of_next(listener);
    join(thread);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm((unsigned)scaled(20, 100));
            dial_and_push(listener->url);
            end_child(0);
        }
        of_children[i] = secrets_of_next(listener);
        CHECK_INT(child, waitpid(child, &status, 0));
        CHECK_INT(0, status);
    }
    thread = spawn(in_thread, listener->url);
    struct secrets later = secrets_of_next(listener);
    join(thread);
    const struct secrets *all[] = {&mine, &of_children[0], &of_children[1], &later};
    for (int a = 0; a < 4; a++)
        for (int b = a + 1; b < 4; b++) {
            CHECK(strcmp(all[a]->key, all[b]->key) != 0);
            for (int i = 0; i < 8; i++)
                for (int k = 0; k < 8; k++)
                    CHECK(memcmp(all[a]->masks[i], all[b]->masks[k], 4) != 0);
        }
}

static void the_parents_is_not_the_childs(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    int status;
    ws_client *client = started_client(listener->url, &record);
    int fd = OPEN_NEXT(listener);
    WAIT_CLIENT(&record, opens, 1);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm((unsigned)scaled(20, 100));
        CHECK_STATUS(WS_ERR_FORKED, ws_client_push(client, "x", 1, WS_TEXT));
        CHECK_STATUS(WS_ERR_FORKED, ws_client_close(client, 1000, NULL, 0));
        CHECK_STATUS(WS_ERR_FORKED, ws_client_reconnect(client));
        CHECK_STATUS(WS_ERR_FORKED, ws_client_wait(client));
        status = ws_client_free(client); /* either way it returns, and hurts nobody */
        CHECK(status == WS_OK || status == WS_ERR_FORKED);
        end_child(0);
    }
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    CHECK_OK(ws_client_push(client, "undisturbed", 11, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "undisturbed");
    close(fd);
    EXPECT_CLOSED(client, &record, 1006);
}

/* Neither does a child that lives on keep a connection of its parent's open. */
static void a_child_that_lives_on(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    int ends[2];
    char byte;
    ws_client *client = started_client(listener->url, &record);
    int fd = OPEN_NEXT(listener);
    WAIT_CLIENT(&record, opens, 1);
    CHECK_INT(0, pipe(ends));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(ends[1]);
        close(fd);
        end_child(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    CHECK_OK(ws_client_free(client));
    EXPECT_CUT(fd);
    close(ends[1]);
    CHECK_INT(child, waitpid(child, NULL, 0));
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    fresh_for_each_frame(&listener);
    fresh_in_one_write(&listener);
    the_child_draws_others(&listener);
    the_parents_is_not_the_childs(&listener);
    a_child_that_lives_on(&listener);
    close(listener.fd);
    return 0;
}
