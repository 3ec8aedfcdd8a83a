//! Pictures from strangers: what is served is ours, whatever was uploaded, and no upload takes the house down.

use serde_json::json;
use testkit::{Caller, Method, Reply, TestApp, both, hours};

/// A GIF of one pixel.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Uploads a file as a browser's form does.
async fn upload(caller: &Caller, path: &str, name: &str, file: &[u8]) -> Reply {
    let head = format!(
        "--b0und\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"me.png\"\r\nContent-Type: image/png\r\n\r\n"
    );
    let body = [head.as_bytes(), file, b"\r\n--b0und--\r\n"].concat();
    caller.call(Method::POST, path).raw("multipart/form-data; boundary=b0und", body).await
}

/// The path of a picture on the FAPI.
fn path_of(app: &TestApp, url: &str) -> String {
    url.strip_prefix(&app.env.issuer).expect("the URL begins with the issuer").to_owned()
}

const ME: &str = "/v1/me/profile-image";

both! {
    async fn an_uploaded_picture_is_served_as_a_new_file_that_cannot_run(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.skip_events().await;
        let evil = [GIF, b"<script>alert(document.domain)</script><?php system($_GET['c']);"].concat();

        let reply = upload(&alice, ME, "file", &evil).await;

        reply.is(200, json!({ "response": { "has_image": true } }));
        assert_eq!(app.events().await, ["user.updated"]);
        let url = reply.str("/response/image_url");
        let shown = app.anyone().get(path_of(&app, &url)).await;
        shown.has_status(200);
        for (name, value) in [
            ("content-type", "image/png"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("content-disposition", "inline; filename=\"image.png\""),
            ("cache-control", "public, max-age=31536000, immutable"),
        ] {
            assert_eq!(shown.header(name), Some(value));
        }
        assert!(shown.set_cookies().is_empty());
        assert!(shown.bytes().starts_with(PNG_MAGIC) && !shown.text().contains("script"));
        alice.get("/v1/me").await.is(200, json!({ "image_url": url, "has_image": true }));
        app.bapi().get(format!("/v1/users/{}", alice.id())).await.is(200, json!({ "image_url": url, "has_image": true }));
    }

    async fn what_is_no_picture_is_refused_whatever_it_says_it_is(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let svg: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
        let bmp = [b"BM".as_slice(), &[0; 60]].concat();
        for file in [svg, b"<html><script>alert(1)</script>", b"\x89PNG\r\n\x1a\n", &GIF[..12], &bmp, b"%PDF-1.7", b"\0"] {
            upload(&alice, ME, "file", file).await.is_refused(415, "image_type_unsupported");
        }
        upload(&alice, ME, "picture", GIF).await.is_refused_for(422, "form_param_nil", "file");
        upload(&alice, ME, "file", b"").await.is_refused_for(422, "form_param_nil", "file");
        alice.post(ME, json!({ "file": "x" })).await.is_refused(415, "content_type_unsupported");
        let broken = alice.call(Method::POST, ME).raw("multipart/form-data; boundary=b", "no part at all").await;
        broken.is_refused_for(422, "form_param_format_invalid", "file");
        alice.get("/v1/me").await.is(200, json!({ "image_url": null, "has_image": false }));
    }

    async fn a_bomb_is_refused_before_it_goes_off(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        // 65535 x 65535 pixels in some bytes.
        let mut gif = GIF.to_vec();
        gif[6..10].fill(0xff);
        let at = gif.iter().position(|b| *b == b',').expect("an image");
        gif[at + 5..at + 9].fill(0xff);
        // 50000 x 50000 pixels in a header whose checksum is right.
        let mut png = PNG_MAGIC.to_vec();
        png.extend(b"\0\0\0\x0dIHDR\0\0\xc3\x50\0\0\xc3\x50\x08\x06\0\0\0");
        png.extend(crc32(&png[12..]).to_be_bytes());
        png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
        for bomb in [gif, png] {
            upload(&alice, ME, "file", &bomb).await.is_refused(413, "image_too_large");
        }
        let heavy = [GIF, &vec![0; 10 * 1024 * 1024]].concat();
        upload(&alice, ME, "file", &heavy).await.is_refused(413, "image_too_large");
        let stated = alice.call(Method::POST, ME).raw("multipart/form-data; boundary=b", vec![b'x'; 12 * 1024 * 1024]).await;
        stated.is_refused(413, "image_too_large");
    }

    async fn many_uploads_at_once_are_all_answered(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let replies = testkit::race(40, |_| {
            let alice = alice.browser.clone();
            async move { upload(&alice, ME, "file", GIF).await }
        }).await;
        let (taken, busy): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status() == 200);
        assert!(!taken.is_empty() && busy.iter().all(|reply| [503, 429].contains(&reply.status())));
        // One is shown, the others are gone.
        let shown = alice.get("/v1/me").await.str("/image_url");
        app.advance(hours(2));
        app.run_jobs().await;
        for reply in taken {
            let url = reply.str("/response/image_url");
            let status = if url == shown { 200 } else { 404 };
            app.anyone().get(path_of(&app, &url)).await.has_status(status);
        }
    }

    async fn a_picture_that_is_replaced_or_taken_away_is_deleted(app: TestApp) {
        let user = app.user("alice").created().await;
        let path = format!("/v1/users/{}/profile-image", user.id);
        let first = upload(&app.bapi(), &path, "file", GIF).await.has_status(200).str("/image_url");
        let second = upload(&app.bapi(), &path, "file", GIF).await.has_status(200).str("/image_url");
        assert_ne!(first, second);
        app.run_jobs().await;
        app.anyone().get(path_of(&app, &first)).await.is_refused(404, "resource_not_found");
        // The check of what was stored, but never shown, spares what is shown.
        app.advance(hours(2));
        app.run_jobs().await;
        app.anyone().get(path_of(&app, &second)).await.has_status(200);

        app.skip_events().await;
        for _ in 0..2 {
            app.bapi().delete(&path).await.is(200, json!({ "image_url": null, "has_image": false }));
        }
        assert_eq!(app.events().await, ["user.updated"], "the second time nothing changes");
        app.run_jobs().await;
        app.anyone().get(path_of(&app, &second)).await.has_status(404);
    }

    async fn the_picture_of_a_deleted_person_goes_with_them(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let url = upload(&alice, ME, "file", GIF).await.str("/response/image_url");
        app.bapi().delete(format!("/v1/users/{}", alice.id())).await.has_status(204);
        app.run_jobs().await;
        app.anyone().get(path_of(&app, &url)).await.has_status(404);
    }

    async fn a_picture_is_of_one_environment_and_no_name_leads_elsewhere(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let url = upload(&alice, ME, "file", GIF).await.str("/response/image_url");
        let other = app.second_environment().await;
        app.anyone_of(&other).get(path_of(&app, &url)).await.has_status(404);
        for name in ["x", "%2e%2e%2fmaster.key", "..%2f..%2fmaster.key", "image.png", &format!("{}.png", "a".repeat(22))] {
            app.anyone().get(format!("/v1/images/{name}")).await.has_status(404);
        }
    }
}

/// The checksum of PNG (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    })
}
