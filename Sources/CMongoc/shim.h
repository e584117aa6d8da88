// bson_t is over-aligned, so Swift knows it by pointer alone and cannot make room for one. These helpers keep every
// bson_t on this side: BSON goes in and comes out as bytes.
#ifndef TALLY_MONGOC_SHIM_H
#define TALLY_MONGOC_SHIM_H

#include <mongoc/mongoc.h>

// Sends a command to the primary; a write waits for its write concern. The driver does not send either again by itself
// (http://mongoc.org/libmongoc/1.23.1/mongoc_client_write_command_with_opts.html).
// `reply` becomes the server's answer, to be freed with bson_free, or NULL where there is none.
// Returns false where the driver or the server reports an error; `error` then says which.
static inline bool tally_mongoc_command (mongoc_client_t *client, const char *database, bool is_write,
                                         const uint8_t *command, size_t command_length,
                                         const uint8_t *options, size_t options_length,
                                         uint8_t **reply, uint32_t *reply_length, bson_error_t *error)
{
   bson_t command_bson, options_bson, reply_bson;
   bool done;
   *reply = NULL;
   *reply_length = 0;
   if (!bson_init_static (&command_bson, command, command_length) ||
       !bson_init_static (&options_bson, options, options_length)) {
      bson_set_error (error, MONGOC_ERROR_BSON, MONGOC_ERROR_BSON_INVALID, "the command is not valid BSON");
      return false;
   }
   if (is_write) {
      done = mongoc_client_write_command_with_opts (client, database, &command_bson, &options_bson, &reply_bson, error);
   } else {
      done = mongoc_client_read_command_with_opts (client, database, &command_bson, NULL, &options_bson, &reply_bson,
                                                   error);
   }
   *reply = bson_destroy_with_steal (&reply_bson, true, reply_length);
   return done;
}

// Opens a cursor on an aggregation, read from where the connection string's read preference says. `pipeline` is a
// document with the array `pipeline`. Returns NULL where either document is not valid BSON.
static inline mongoc_cursor_t *tally_mongoc_aggregate (mongoc_collection_t *collection,
                                                       const uint8_t *pipeline, size_t pipeline_length,
                                                       const uint8_t *options, size_t options_length)
{
   bson_t pipeline_bson, options_bson;
   if (!bson_init_static (&pipeline_bson, pipeline, pipeline_length) ||
       !bson_init_static (&options_bson, options, options_length)) {
      return NULL;
   }
   return mongoc_collection_aggregate (collection, MONGOC_QUERY_NONE, &pipeline_bson, &options_bson, NULL);
}

// The cursor's next document, valid until the cursor is used again; NULL at the end or at an error.
static inline const uint8_t *tally_mongoc_cursor_next (mongoc_cursor_t *cursor, uint32_t *length)
{
   const bson_t *document;
   if (!mongoc_cursor_next (cursor, &document)) {
      return NULL;
   }
   *length = document->len;
   return bson_get_data (document);
}

#endif
