//! What the manifests allow, on a real API server: the rights of operator and agents by their own tokens, the
//! admission policies, and the operator at work with no more than that.

#[path = "rbac/cast.rs"]
mod cast;
#[path = "rbac/policies.rs"]
mod policies;
#[path = "rbac/rights.rs"]
mod rights;
#[path = "rbac/text.rs"]
mod text;
#[path = "rbac/work.rs"]
mod work;
