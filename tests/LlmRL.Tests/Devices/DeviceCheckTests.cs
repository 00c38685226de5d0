using LlmRL.Gpu;
using LlmRL.Native;
using LlmRL.Tests.Training;
using TorchSharp;

namespace LlmRL.Tests.Devices;

/// <summary>The operators that a GPU runs against the CPU's kernels: on the CPU always, on a GPU where there is one.</summary>
[Collection(TensorCollection.Name)]
public class DeviceCheckTests
{
    static DeviceCheckTests() => Startup.Prepare();

    public static TheoryData<string> Names => [.. DeviceChecks.ByName.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void OperatorsOnTheCpu(string name) => Holds(name, torch.CPU);

    [CudaTheory]
    [Trait("Device", "GPU")]
    [MemberData(nameof(Names))]
    public void OperatorsOnTheGpu(string name) => Holds(name, torch.CUDA);

    private static void Holds(string name, torch.Device device)
    {
        var found = DeviceChecks.ByName[name](new DeviceChecks(Path.Combine(Shared.Repository, "models"), device));
        Assert.True(found.Holds, $"{found.Measure}: {found.Error}, at most {found.Tolerance}");
    }
}

/// <summary>A theory that is skipped where libtorch sees no GPU.</summary>
public sealed class CudaTheoryAttribute : TheoryAttribute
{
    public CudaTheoryAttribute()
    {
        try
        {
            if (!torch.cuda.is_available())
                Skip = "needs a CUDA device";
        }
        catch (DllNotFoundException)
        {
            Skip = "needs libtorch";
        }
    }
}
