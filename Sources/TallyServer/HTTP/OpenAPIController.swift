import Hummingbird

/// `GET /openapi.json`: the description of this interface, OpenAPI 3.1, as it lies beside this file.
struct OpenAPIController {
    func document(_ request: Request, _ context: ReadContext) async throws -> Response {
        ReadController.cacheable(request, context, type: "application/json", body: PackageResources.openapi_json)
    }
}
