vcl 4.1;

# Varnish in front of Apache, in the same pod. What the site says about
# caching is obeyed; a page that says nothing is not cached, and a request
# that carries a cookie the site might read is never answered from the cache.
# Where nothing is returned here, the built-in VCL goes on.

backend apache {
    .host = "127.0.0.1";
    .port = "8080";
    .connect_timeout = 5s;
    .first_byte_timeout = 300s;
    .between_bytes_timeout = 60s;
}

sub vcl_recv {
    # The probes of this container: true as soon as this file is loaded,
    # whatever Apache does, which has probes of its own.
    if (req.url == "/.sitectl/varnish") {
        return (synth(200));
    }
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    if (req.url ~ "^/\.sitectl/") {
        return (pass);
    }

    # Cookies that only scripts in the browser read are no reason to pass.
    if (req.http.Cookie) {
        set req.http.Cookie = ";" + req.http.Cookie;
        set req.http.Cookie = regsuball(req.http.Cookie, "; +", ";");
        set req.http.Cookie = regsuball(req.http.Cookie, ";(_ga[^=]*|_gid|_gat[^=]*|_gcl_[^=]*|_fbp|_fbc|_pk_[^=]*|__utm[^=]*|has_js)=[^;]*", "");
        set req.http.Cookie = regsuball(req.http.Cookie, ";([^;]+)", "; \1");
        set req.http.Cookie = regsub(req.http.Cookie, "^[; ]+", "");
        if (req.http.Cookie == "") {
            unset req.http.Cookie;
        }
    }

    # Sessions and logged-in users. The built-in VCL passes every other
    # cookie as well; this stands here for those who edit the above.
    if (req.http.Cookie ~ "(^|; )(PHPSESSID|S?SESS[0-9a-f]+|wordpress_logged_in_[^=]*|wordpress_sec_[^=]*|wp-postpass_[^=]*|comment_author_[^=]*)=") {
        return (pass);
    }
}

sub vcl_hash {
    # A site answers plain HTTP with a redirect to itself under HTTPS.
    hash_data(req.http.X-Forwarded-Proto);
}

sub vcl_backend_fetch {
    # No connection to Apache is used twice, so none is picked up in the
    # moment in which Apache closes it. On localhost a new one costs nothing.
    set bereq.http.Connection = "close";
}

sub vcl_backend_response {
    # Files that Apache serves by itself and that say nothing about caching.
    if (!beresp.http.Cache-Control && !beresp.http.Expires && !beresp.http.Set-Cookie
        && beresp.status == 200
        && bereq.url ~ "(?i)\.(css|js|mjs|map|gif|ico|jpe?g|png|svg|webp|avif|woff2?|ttf|otf)(\?.*)?$") {
        set beresp.ttl = 2m;
    }
}

sub vcl_backend_error {
    # One more try for what can be repeated without doing it twice.
    if ((bereq.method == "GET" || bereq.method == "HEAD") && bereq.retries == 0) {
        return (retry);
    }
}
