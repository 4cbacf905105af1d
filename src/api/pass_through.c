/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/change.h"
#include "api/daemon_call.h"
#include "api/etag.h"
#include "net/http_route.h"

/* Operations that the daemon answers: the request goes on with its parameters and body, the answer
 * comes back as it is. Most of the API. */

enum { TARGET_MAX = 12288, TAGGED_MAX = 1024 * 1024 };

static char *body_text(const struct http_request *request, struct str *ret_body) {
    if (request->json == NULL) {
        *ret_body = request->body;
        return NULL;
    }
    char *text = json_dumps(request->json, JSON_COMPACT);
    *ret_body = str_from(text);
    return text;
}

static void relay(const struct http_request *request, struct http_response *response,
                  const struct http_reply *reply) {
    if (reply->status == 204) {
        http_answer_nothing(response);
    } else if (request->method == HTTP_GET && reply->status == 200 && reply->length <= TAGGED_MAX) {
        etag_answer(request, response, reply->content_type,
                    (struct str){reply->body, reply->length});
    } else {
        http_answer_bytes(response, (unsigned)reply->status, reply->content_type,
                          (struct str){reply->body, reply->length}, false);
    }
}

static void pass(struct api *api, const struct http_request *request,
                 struct http_response *response, const char *target, struct change *change) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    char name[2 * API_USER_TEXT_MAX];
    struct text author = TEXT_OVER(name);
    api_author(request, &author);
    struct str body;
    char *text = body_text(request, &body);
    struct http_reply reply;
    const int error = daemon_call(api, http_method_name(request->method), target, body,
                                  text_zero(&author), &reply, &problem);
    free(text);
    const struct api_operation *operation = api_caller_of(request)->operation;
    if (error != 0 && operation->away != NULL) {
        operation->away(api, request, response); /* A GET: there is no change to end. */
        return;
    }
    if (error != 0) {
        daemon_unreachable(response, text_str(&problem));
        change_failed(change, 503);
        return;
    }
    change_done(change, (unsigned)reply.status, (struct str){reply.body, reply.length});
    relay(request, response, &reply);
    http_reply_free(&reply);
}

void api_pass_through(void *context, const struct http_request *request,
                      struct http_response *response) {
    struct api *api = context;
    char bytes[TARGET_MAX];
    struct text target = TEXT_OVER(bytes);
    if (!api_body_valid(request, response) ||
        !daemon_target(request, response, api_caller_of(request)->operation->control, true,
                       &target)) {
        return;
    }
    struct change change;
    if (change_begin(api, request, response, &change)) {
        pass(api, request, response, text_zero(&target), &change);
        change_end(&change);
    }
}
