#include "feed.h"

#define TEST_HAS_STAGE
#include "../common/support.h"

void feed_begin(struct feed *feed, const struct resp_limits *limits, bool trusted) {
    *feed = (struct feed){.status = STATUS_NOT_FOUND};
    resp_parser_init(&feed->parser, limits, trusted);
}

static void tell_argument(struct buf *story, struct slice argument) {
    assert_true(slice_present(argument));
    assert_ok(buf_append_text(story, "["));
    for (size_t i = 0; i < argument.length; i++) {
        unsigned char byte = argument.data[i];
        bool plain = byte > ' ' && byte < 0x7f && strchr("[]\\", byte) == NULL;
        if (plain) {
            assert_ok(buf_append(story, &byte, 1));
        } else {
            assert_ok(buf_printf(story, "\\x%02x", byte));
        }
    }
    assert_ok(buf_append_text(story, "]"));
}

static void tell_requests(struct feed *feed) {
    struct resp_request request;
    struct error error = {0};
    while ((feed->status = resp_parser_next(&feed->parser, &request, &error)) ==
           STATUS_OK) {
        assert_true(request.count > 0);
        for (size_t i = 0; i < request.count; i++) {
            tell_argument(&feed->story, request.arguments[i]);
        }
        assert_ok(buf_append_text(&feed->story, "|"));
    }
    if (feed->status == STATUS_INVALID || feed->status == STATUS_LIMIT) {
        assert_int_equal(error.status, feed->status);
        assert_ok(buf_printf(&feed->story, "! %s", error.message));
    } else {
        assert_int_equal(error.status, STATUS_OK);
    }
}

void feed_bytes(struct feed *feed, struct slice bytes, size_t piece) {
    while (bytes.length > 0 && feed->status == STATUS_NOT_FOUND) {
        unsigned char *to;
        size_t count;
        feed->status = resp_parser_room(&feed->parser, &to, &count);
        if (feed->status != STATUS_OK) {
            return;
        }
        assert_true(count > 0);
        count = count < piece ? count : piece;
        count = count < bytes.length ? count : bytes.length;
        memcpy(to, bytes.data, count);
        resp_parser_filled(&feed->parser, count);
        slice_advance(&bytes, count);
        tell_requests(feed);
    }
}

const char *feed_story(struct feed *feed) {
    assert_ok(buf_reserve(&feed->story, 1));
    feed->story.data[feed->story.length] = '\0';
    return (const char *)feed->story.data;
}

void feed_end(struct feed *feed) {
    resp_parser_free(&feed->parser);
    buf_free(&feed->story);
}
