//! The names of Lambda's operations. Lambda says what they are by method and path.

use hyper::Method;

/// What a path is called with GET, PUT, POST and DELETE; empty where it cannot be asked so.
type Names = [&'static str; 4];

/// The name of an operation; none where the tables do not know the request.
pub fn name(method: &Method, path: &str, query: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let [get, put, post, delete] = match parts.as_slice() {
        // In front stands the date of the API's version, another one for each family.
        [_, "functions", rest @ ..] => of_functions(rest, query)?,
        [_, rest @ ..] => of_others(rest)?,
        [] => return None,
    };
    let name = match *method {
        Method::GET => get,
        Method::PUT => put,
        Method::POST => post,
        Method::DELETE => delete,
        _ => "",
    };
    (!name.is_empty()).then_some(name)
}

#[rustfmt::skip]
fn of_functions(rest: &[&str], query: &str) -> Option<Names> {
    Some(match rest {
        [] => ["ListFunctions", "", "CreateFunction", ""],
        [_] => ["GetFunction", "", "", "DeleteFunction"],
        [_, "configuration"] => ["GetFunctionConfiguration", "UpdateFunctionConfiguration", "", ""],
        [_, "code"] => ["", "UpdateFunctionCode", "", ""],
        [_, "versions"] => ["ListVersionsByFunction", "", "PublishVersion", ""],
        [_, "aliases"] => ["ListAliases", "", "CreateAlias", ""],
        [_, "aliases", _] => ["GetAlias", "UpdateAlias", "", "DeleteAlias"],
        [_, "policy"] => ["GetPolicy", "", "AddPermission", ""],
        [_, "policy", _] => ["", "", "", "RemovePermission"],
        [_, "invocations"] => ["", "", "Invoke", ""],
        [_, "invoke-async"] => ["", "", "InvokeAsync", ""],
        [_, "response-streaming-invocations"] => ["", "", "InvokeWithResponseStream", ""],
        [_, "concurrency"] =>
            ["GetFunctionConcurrency", "PutFunctionConcurrency", "", "DeleteFunctionConcurrency"],
        [_, "provisioned-concurrency"] if query.starts_with("List=") =>
            ["ListProvisionedConcurrencyConfigs", "", "", ""],
        [_, "provisioned-concurrency"] =>
            ["GetProvisionedConcurrencyConfig", "PutProvisionedConcurrencyConfig", "", "DeleteProvisionedConcurrencyConfig"],
        [_, "event-invoke-config"] =>
            ["GetFunctionEventInvokeConfig", "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"],
        [_, "event-invoke-config", "list"] => ["ListFunctionEventInvokeConfigs", "", "", ""],
        [_, "url"] =>
            ["GetFunctionUrlConfig", "UpdateFunctionUrlConfig", "CreateFunctionUrlConfig", "DeleteFunctionUrlConfig"],
        [_, "urls"] => ["ListFunctionUrlConfigs", "", "", ""],
        [_, "code-signing-config"] =>
            ["GetFunctionCodeSigningConfig", "PutFunctionCodeSigningConfig", "", "DeleteFunctionCodeSigningConfig"],
        [_, "runtime-management-config"] =>
            ["GetRuntimeManagementConfig", "PutRuntimeManagementConfig", "", ""],
        _ => return None,
    })
}

#[rustfmt::skip]
fn of_others(rest: &[&str]) -> Option<Names> {
    Some(match rest {
        ["tags", _] => ["ListTags", "", "TagResource", "UntagResource"],
        ["event-source-mappings"] => ["ListEventSourceMappings", "", "CreateEventSourceMapping", ""],
        ["event-source-mappings", _] =>
            ["GetEventSourceMapping", "UpdateEventSourceMapping", "", "DeleteEventSourceMapping"],
        ["layers"] => ["ListLayers", "", "", ""],
        ["layers", _, "versions"] => ["ListLayerVersions", "", "PublishLayerVersion", ""],
        ["layers", _, "versions", _] => ["GetLayerVersion", "", "", "DeleteLayerVersion"],
        ["account-settings"] => ["GetAccountSettings", "", "", ""],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A method, a path with its query, and the name; `-` where there is none.
    const REQUESTS: &str = "
        POST /2015-03-31/functions CreateFunction
        GET /2015-03-31/functions/ ListFunctions
        GET /2015-03-31/functions/f GetFunction
        DELETE /2015-03-31/functions/f?Qualifier=2 DeleteFunction
        GET /2015-03-31/functions/f/configuration GetFunctionConfiguration
        PUT /2015-03-31/functions/f/configuration UpdateFunctionConfiguration
        PUT /2015-03-31/functions/f/code UpdateFunctionCode
        GET /2015-03-31/functions/f/code -
        POST /2015-03-31/functions/f/versions PublishVersion
        GET /2015-03-31/functions/f/versions ListVersionsByFunction
        POST /2015-03-31/functions/f/aliases CreateAlias
        GET /2015-03-31/functions/f/aliases ListAliases
        GET /2015-03-31/functions/f/aliases/live GetAlias
        PUT /2015-03-31/functions/f/aliases/live UpdateAlias
        DELETE /2015-03-31/functions/f/aliases/live DeleteAlias
        POST /2015-03-31/functions/f/policy AddPermission
        GET /2015-03-31/functions/f/policy GetPolicy
        DELETE /2015-03-31/functions/f/policy/sid RemovePermission
        POST /2015-03-31/functions/f/invocations Invoke
        GET /2017-03-31/tags/arn%3Aaws%3Alambda ListTags
        POST /2017-03-31/tags/arn:aws:lambda TagResource
        DELETE /2017-03-31/tags/arn?tagKeys=a UntagResource
        PUT /2017-10-31/functions/f/concurrency PutFunctionConcurrency
        DELETE /2017-10-31/functions/f/concurrency DeleteFunctionConcurrency
        GET /2019-09-30/functions/f/concurrency GetFunctionConcurrency
        PUT /2019-09-25/functions/f/event-invoke-config PutFunctionEventInvokeConfig
        GET /2019-09-25/functions/f/event-invoke-config GetFunctionEventInvokeConfig
        POST /2019-09-25/functions/f/event-invoke-config UpdateFunctionEventInvokeConfig
        DELETE /2019-09-25/functions/f/event-invoke-config DeleteFunctionEventInvokeConfig
        GET /2019-09-25/functions/f/event-invoke-config/list ListFunctionEventInvokeConfigs
        GET /2019-09-30/functions/f/provisioned-concurrency?List=ALL ListProvisionedConcurrencyConfigs
        GET /2019-09-30/functions/f/provisioned-concurrency?Qualifier=1 GetProvisionedConcurrencyConfig
        POST /2015-03-31/event-source-mappings CreateEventSourceMapping
        POST /2015-03-31/event-source-mappings/ CreateEventSourceMapping
        PUT /2015-03-31/event-source-mappings/id UpdateEventSourceMapping
        POST /2018-10-31/layers/l/versions PublishLayerVersion
        GET /2016-08-19/account-settings GetAccountSettings
        POST /2021-10-31/functions/f/url CreateFunctionUrlConfig
        PATCH /2015-03-31/functions/f -
        GET /2015-03-31/functions/f/unheard-of -
        GET / -
    ";

    #[test]
    fn requests_have_the_names_of_the_reference() {
        for line in REQUESTS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let [method, target, expected] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let name = name(&method.parse().unwrap(), path, query);
            assert_eq!(name.unwrap_or("-"), expected, "{line}");
        }
    }
}
