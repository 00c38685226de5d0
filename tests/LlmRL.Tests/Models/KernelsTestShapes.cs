using LlmRL.Models;
using LlmRL.Tests.Rollouts;

namespace LlmRL.Tests.Models;

/// <summary>The small architectures of <see cref="TestModel"/> with room for longer sequences.</summary>
internal static class TestShapes
{
    public static ModelConfig Of(string name) => TestModel.Shape(name) with { MaxPositions = 256 };
}
