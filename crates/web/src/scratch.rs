use crate::*; use crate::engine_stub::{Engine, tenancy::P}; use actix_web::{test, get, post, put, web::{Json,Data}, HttpResponse, http::StatusCode};
use domain::*; use std::sync::Arc; use serde_json::{json, Value}; use utoipa::ToSchema;
#[derive(ToSchema, Debug)] struct N { name: String }
impl FromForm for N { fn from_form(f:&mut Form)->Option<Self>{ let name=f.text("name",9).required(); Some(N{name:name?}) } }
#[utoipa::path(responses((status=200),ApiErrors))] #[get("/v1/users/{user_id}")] async fn get_user(Id(id): Id<UserId>, c: SecretKey) -> Result<Json<Value>, ApiError> { Ok(Json(json!({"id":id,"k":c.key}))) }
#[utoipa::path(request_body=N,responses((status=201),ApiErrors))] #[post("/v1/users")] async fn create(Write{body,..}: Write<N>) -> Result<(Json<Value>, StatusCode), ApiError> { Ok((Json(json!({"n":body.name})), StatusCode::CREATED)) }
#[utoipa::path(request_body=N,responses((status=201),ApiErrors))] #[put("/v1/client")] async fn putc(Body(b): Body<N>, c: MaybeDevice, k: Cookies, l: Limiter) -> Result<Json<Value>, ApiError> { l.take(Bucket::SignInCreate, By::Peer)?; k.set_session("a.b.c"); if b.name=="boom" { Err(std::io::Error::other("secret")).or_fault()? } ; if b.name=="401" {return Err(ApiError::refuse(Kind::Unauthenticated, code::CLIENT_NOT_FOUND));} Ok(Json(json!({"e":c.env.id}))) }
#[utoipa::path(responses((status=200),ApiErrors))] #[post("/v1/client/x")] async fn dev(Body(_b): Body<N>, _c: Device) -> Result<NoContent, ApiError> { Ok(NoContent) }
fn routes(a: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) { a.service(get_user).service(create).service(putc).service(dev); }
fn parts(s: Surface) -> AppParts { AppParts{surface:s, trusted_proxies: Vec::new().into(), limits: Arc::new(Limits::new(LimitSettings::default())), metrics: Arc::new(|| "m 1".into())} }
async fn go(s: Surface, r: test::TestRequest) { 
  let app = test::init_service(server::app(parts(s), Engine, routes)).await;
  let res = test::call_service(&app, r.to_request()).await;
  println!("--- {} ", res.status()); for (k,v) in res.headers() { println!("{k}: {v:?}"); }
  println!("{}", String::from_utf8_lossy(&test::read_body(res).await)); }
#[actix_web::test] async fn all() {
  use test::TestRequest as T; let j=("content-type","application/json");
  let uid = UserId::new(Timestamp::from_millis(5),[1;10]);
  println!("== stranger bad id"); go(Surface::Bapi, T::get().uri("/v1/users/nonsense").insert_header(("authorization","bearer x"))).await;
  println!("== stranger bad body"); go(Surface::Bapi, T::post().uri("/v1/users").insert_header(j).set_payload("{")).await;
  println!("== ready"); go(Surface::Bapi, T::get().uri("/readyz")).await;
  println!("== 405"); go(Surface::Bapi, T::patch().uri("/v1/users")).await;
  println!("== 404"); go(Surface::Bapi, T::patch().uri("/v1/nothing")).await;
  println!("== no env"); go(Surface::Fapi, T::get().uri("/x/v1/me")).await;
  P.with(|p| *p.borrow_mut() = Some(Arc::new(sample::environment(domain::environment::EnvironmentKind::Development, &["http://a.test"]))));
  println!("== known bad id"); go(Surface::Bapi, T::get().uri("/v1/users/nonsense").insert_header(("authorization","bearer x"))).await;
  println!("== known"); go(Surface::Bapi, T::get().uri(&format!("/v1/users/{uid}")).insert_header(("authorization","BEARER x"))).await;
  println!("== create bad"); go(Surface::Bapi, T::post().uri("/v1/users").insert_header(("authorization","Bearer x")).insert_header(j).set_payload("{\"x\":1}")).await;
  println!("== create"); go(Surface::Bapi, T::post().uri("/v1/users").insert_header(("authorization","Bearer x")).insert_header(j).set_payload("{\"name\":\"a\"}")).await;
  println!("== create bad idem"); go(Surface::Bapi, T::post().uri("/v1/users").insert_header(("authorization","Bearer x")).insert_header(("idempotency-key","a b")).insert_header(j).set_payload("{\"name\":\"a\"}")).await;
  println!("== create idem fault"); go(Surface::Bapi, T::post().uri("/v1/users").insert_header(("authorization","Bearer x")).insert_header(("idempotency-key","ab")).insert_header(j).set_payload("{\"name\":\"a\"}")).await;
  println!("== put ok"); go(Surface::Fapi, T::put().uri("/wise-otter/v1/client").insert_header(("origin","http://a.test")).insert_header(j).set_payload("{\"name\":\"a\"}")).await;
  println!("== put foreign"); go(Surface::Fapi, T::put().uri("/wise-otter/v1/client").insert_header(("origin","http://b.test")).insert_header(j).set_payload("{\"name\":\"a\"}")).await;
  println!("== put boom"); go(Surface::Fapi, T::put().uri("/wise-otter/v1/client").insert_header(("origin","http://a.test")).insert_header(j).set_payload("{\"name\":\"boom\"}")).await;
  println!("== device stranger w bad body"); go(Surface::Fapi, T::post().uri("/wise-otter/v1/client/x").insert_header(("cookie",format!("__client={}.s", ClientId::new(Timestamp::from_millis(5),[1;10])))).insert_header(("origin","http://a.test")).set_payload("{\"name\":\"boom\"}")).await;
  println!("== preflight"); go(Surface::Fapi, T::default().method(actix_web::http::Method::OPTIONS).uri("/wise-otter/v1/client").insert_header(("origin","http://a.test")).insert_header(("access-control-request-headers","authn-version"))).await;
  println!("== link"); go(Surface::Fapi, T::get().uri("/wise-otter/v1/client?a=1&__authn_db_jwt=client_01.x")).await;
  println!("== link2"); go(Surface::Fapi, T::get().uri(&format!("/wise-otter/v1/client?a=1&__authn_db_jwt={}.s", ClientId::new(Timestamp::from_millis(5),[1;10])))).await;
}
