using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>RLOO against TRL's own (fixtures; their README says how they were made).</summary>
[Collection(TensorCollection.Name)]
public class TrlRlooTests
{
    public TrlRlooTests() => Native.Startup.Prepare();

    [SharedFact("fixtures/rloo.json")]
    public void AdvantagesLossAndGradient()
    {
        var file = Fixture.Read("rloo.json");
        var inputs = file.GetProperty("inputs");
        double[][] Input(string name) => Fixture.Rows(inputs.GetProperty(name));
        foreach (var setting in file.GetProperty("cases").EnumerateArray())
        {
            using var scope = NewDisposeScope();
            var trajectories = Trl.Trajectories(Input("mask"), Input("old_per_token_logps"), Input("ref_per_token_logps"));
            var scores = Trl.Scores(inputs, setting);
            for (var i = 0; i < trajectories.Length; i++)
                trajectories[i].Score = scores[i];
            var stage = Tiny.Rloo with
            {
                Beta = setting.GetProperty("beta").GetDouble(),
                NormalizeAdvantages = setting.GetProperty("normalize_advantages").GetBoolean(),
                Epsilon = setting.GetProperty("epsilon").GetDouble(),
                EpsilonHigh = setting.GetProperty("epsilon_high").GetDouble(),
            };
            stage.ComputeAdvantages(new Rollout(trajectories, file.GetProperty("num_generations").GetInt32()), new Dictionary<string, double>(), new BatchMetrics());
            Fixture.AssertClose(Fixture.Numbers(setting.GetProperty("advantages")), [.. trajectories.Select(trajectory => (double)trajectory.Advantages[0])]);

            using var batch = Tiny.Batch(trajectories);
            Fixture.AssertClose(Fixture.Numbers(setting.GetProperty("old_logps")), Array.ConvertAll(batch.Mask.SumPerSequence(batch.OldLogProbs).data<float>().ToArray(), x => (double)x));
            using var logProbs = Fixture.Matrix(Input("new_per_token_logps")).requires_grad_();
            batch.LogProbs = logProbs;
            var loss = stage.Loss(batch);
            loss.backward();
            Trl.AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>());
            Trl.AssertGradient(setting.GetProperty("grad_per_token_logps"), logProbs.grad!);
            // Whether a ratio is held back depends on the advantage's sign, which is rounding's where equal rewards cancel.
            if (Fixture.Numbers(setting.GetProperty("advantages")).Any(advantage => Math.Abs(advantage) is > 0 and < 1e-6))
                continue;
            Trl.AssertNear(setting.GetProperty("clip_ratio").GetDouble(), batch.Metrics["clip_ratio/region_mean"]);
        }
    }
}
